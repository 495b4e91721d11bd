"""SQL in the config can do no more than select: what is refused, in which words."""

import pytest

from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.tokens import ExpressionError

REFUSED = {
    # More than one expression, or a statement.
    "1; DROP TABLE users": "semicolon",
    "DROP TABLE users": "begins a statement",
    "SELECT 1": "begins a statement",
    "SELECT(1)": "begins a statement",
    "WITH a AS (SELECT 1) SELECT * FROM a": "begins a statement",
    "INSERT INTO users VALUES (1)": "refused",
    "(DELETE FROM users)": "does not parse",
    "(UPDATE users SET id = 1)": "does not parse",
    "a, b": "a comma separates two",
    "(a, b)": "this is a list",
    "VALUES (1)": "begins a statement",
    "": "empty",
    "/* nothing */": "empty",
    "a AS b": "key alias",
    "a b": "key alias",
    "*": "all columns",
    "users.*": "all columns",
    "SUM(": "never closed",
    "price +": "does not parse",
    "where + 1": "reserved word used as a name needs backticks",
    # Out of the parentheses that it will stand in.
    "1) UNION SELECT (password FROM mysql.user": "closing parenthesis has no opening one",
    "a) OR (1 = 1": "closing parenthesis has no opening one",
    "1 -- )\n) OR (1": "closing parenthesis has no opening one",
    "'a' ) -- '": "closing parenthesis has no opening one",
    "'\\' ) OR (1 = 1": "never closed",
    '"\\" ) OR (1 = 1': "never closed",
    "`a": "never closed",
    "1 /* x": "never closed",
    # Comments that one reader skips and another runs.
    "/*! SLEEP(1) */ 1": "the server obeys",
    "/*!50000 SLEEP(1) */ 1": "the server obeys",
    "/*M! SLEEP(1) */ 1": "the server obeys",
    "(SELECT /*+ SET_VAR(sql_mode = '') */ 1)": "no variable that a hint may set",
    "5--1": "two minus signs",
    "1 --1) UNION SELECT (2": "two minus signs",
    "(SELECT 1e0INTO @x)": "begins with a digit",
    "(SELECT .5INTO @x)": "begins with a digit",
    # Writes, locks, waits, files, chance.
    "@a := 1": "assignments",
    "(SELECT @a)": "variables of the session",
    "@'a'": "variables of the session",
    "(SELECT 1 INTO @x)": "INTO is refused",
    "(SELECT 1 INTO OUTFILE '/tmp/x')": "INTO is refused",
    "(SELECT x'41'INTO DUMPFILE '/tmp/x')": "INTO is refused",
    "(SELECT id FROM users FOR UPDATE)": "FOR UPDATE is refused",
    "(SELECT id FROM users FOR/**/SHARE)": "FOR SHARE is refused",
    "(SELECT id FROM users LOCK IN SHARE MODE)": "LOCK is refused",
    "(SELECT id FROM users PROCEDURE ANALYSE())": "PROCEDURE is refused",
    "NEXT VALUE FOR numbers": "is a write",
    "numbers.nextval": "is a write",
    "SETVAL(numbers, 5)": "is a write",
    "SLEEP(1)": "SLEEP() is refused",
    "sleep (1)": "SLEEP() is refused",
    "sleep/* */(1)": "SLEEP() is refused",
    "`sleep`(1)": "SLEEP() is refused",
    "(SELECT 1 FROM users WHERE id IN (SELECT SLEEP(1)))": "SLEEP() is refused",
    "BENCHMARK(1000000, MD5('a'))": "BENCHMARK() is refused",
    "GET_LOCK('a', 1)": "GET_LOCK() is refused",
    "CONNECTION_ID()": "CONNECTION_ID() is refused: it tells of the connection",
    "@@pseudo_thread_id": "@@pseudo_thread_id is refused: it tells of the connection",
    "1 + @@session.`rand_seed1`": "@@rand_seed1 is refused: it gives another result each time",
    "@@ GLOBAL . GTID_EXECUTED": "@@gtid_executed is refused: it changes with whatever is written",
    "@@timestamp": "NOW() is the run's logical time",
    "last_trace_id()": "LAST_TRACE_ID() is refused: it tells of the connection",
    "current_scn()": "CURRENT_SCN() is refused: it changes with whatever is written",
    "AI_COMPLETE('model', phone)": "AI_COMPLETE() is refused: it sends values of cells to a service",
    "CONCAT(USER(), name)": "USER() is refused: it tells of the connection",
    "RELEASE_LOCK('a')": "RELEASE_LOCK() is refused",
    "RELEASE_ALL_LOCKS()": "RELEASE_ALL_LOCKS() is refused",
    "IS_FREE_LOCK('a')": "IS_FREE_LOCK() is refused",
    "LOAD_FILE('/etc/passwd')": "LOAD_FILE() is refused",
    "RAND()": "RAND() is refused",
    "UUID()": "UUID() is refused",
    "SYSDATE()": "NOW() is the run's logical time",
    "SYSDATE": "NOW() is the run's logical time",
    "LAST_INSERT_ID(5)": "LAST_INSERT_ID() is refused",
    "group_replication_set_as_primary('x')": "administers the server",
    # What MySQL reads otherwise than a person does.
    "status\u00a0= 1": "no-break space",
    "status = 1）": "full-width right parenthesis",
    "状态 = 甲，乙": "full-width comma",
    "a == b": "write =",
    "\\N": "does not belong",
    "?": "does not belong",
    ":name": "does not belong",
    "{d '2026-01-01'}": "does not belong",
    "'a\x00b'": "unprintable",
    "a\x0b+ 1": "unprintable",
    "1abc": "begins with a digit",
    "(" * 3000 + "1" + ")" * 3000: "nested too deeply",
    "1 + " * 10_000 + "1": "limit",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:50].encode("ascii", "backslashreplace").decode())
def test_what_could_do_more_than_read_is_refused_in_words(text: str):
    with pytest.raises(ExpressionError) as refusal:
        read_expression(text, "condition")
    assert REFUSED[text] in str(refusal.value)
