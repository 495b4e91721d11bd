"""A session has its own values, whatever the server, its defaults or init_connect set."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.variables import FIXED, Fixed
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.source.mysql.session_variables import BUFFERS, HARMLESS, NASTY
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE, ignore_progress
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample

# An extreme that is not a value of the variable is refused, and then it is not tried.
EXTREMES = (
    "0",
    "1",
    "2",
    "3",
    "18446744073709551615",
    "4294967295",
    "'ON'",
    "'OFF'",
    "''",
    "'latin1'",
    "'MEMORY'",
    "'MyISAM'",
    "0.001",
)
# Global only, or read-only, or no value at all: nothing that a session could change.
NOT_OURS = {1229, 1238, 1621}
TABLES = (
    """CREATE TABLE t (
        id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), c CHAR(5), n DECIMAL(10,2), u INT UNSIGNED,
        d DATETIME, ts TIMESTAMP NULL, tm TIME, body TEXT, k INT, KEY(k)
    )""",
    """INSERT INTO t VALUES
        (1, 'b', 'x', 1.5, 1, '2026-03-01 10:00:00', '2026-03-01 10:00:00', '10:00:00',
            CONCAT(REPEAT('u', 1200), '1'), 1),
        (2, 'B', 'y', 2, 2, '2026-01-04 11:00:00', '2026-01-04 11:00:00', '11:00:00',
            CONCAT(REPEAT('u', 1200), '2'), 1),
        (3, '张', NULL, 7, 3, NULL, NULL, NULL, CONCAT(REPEAT('u', 1200), '1'), 2),
        (4, 'é', 'z', -1, 0, '2026-12-31 23:59:59', NULL, '23:59:59', 'short', NULL)
    """,
    "CREATE VIEW v AS SELECT id, DATE_FORMAT(d, '%Y-%m') AS month, IF(k = 1, 'new', 'old') AS state FROM t",
)
VERSIONED = (
    "CREATE TABLE old_rows (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
    "INSERT INTO old_rows VALUES (1), (2)",
)
RECURSIVE = (
    "CREATE VIEW days AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 2000) SELECT n"
    " FROM r"
)
QUERIES = (
    "SELECT 'a' = 'A', CONCAT(id) = '1', 'a' 'b', \"x\", 1 || 0, NOT 1 BETWEEN -1 AND 2, 'a\\\\b' FROM t WHERE id = 1",
    (
        "SELECT DATE_FORMAT(d, '%M %W %b %a'), DAYNAME(d), MONTHNAME(d), WEEK(d), YEARWEEK(d), DATE_FORMAT(d, '%X %V')"
        " FROM t ORDER BY id"
    ),
    "SELECT 1 / 3, n / 7, AVG(n) FROM t GROUP BY id, n ORDER BY id",
    "SELECT AVG(n), SUM(n) / 3, STDDEV_POP(n), MIN(name), MAX(body), COUNT(DISTINCT body), COUNT(DISTINCT name) FROM t",
    "SELECT name REGEXP '^b$', 'a\\nb' REGEXP 'a.b', 'ab' REGEXP 'a b' FROM t ORDER BY id",
    (
        "SELECT HEX(AES_ENCRYPT('text', 'key')), MD5('x'), SHA2('x', 256), HEX(c), LENGTH(c), CRC32('x') FROM t ORDER"
        " BY id"
    ),
    (
        "SELECT NOW(), CURDATE(), @@time_zone, ts, UNIX_TIMESTAMP(ts), FROM_UNIXTIME(0), LAST_INSERT_ID() FROM t ORDER"
        " BY id"
    ),
    "SELECT id FROM t WHERE id IS NULL",
    "SELECT CAST(tm AS DATETIME), ADDTIME(tm, '01:00:00'), CAST(d AS DATE), CAST(n AS SIGNED) FROM t ORDER BY id",
    (
        "SELECT CONVERT(name USING utf8), HEX(name), UPPER(name), name = 'E', FORMAT(n * 1000, 2), LPAD(name, 3, '*')"
        " FROM t ORDER BY id"
    ),
    "SELECT GROUP_CONCAT(name ORDER BY id), GROUP_CONCAT(DISTINCT k ORDER BY k) FROM t",
    "SELECT k, COUNT(*), SUM(n), MAX(d) FROM t GROUP BY k ORDER BY 1",
    "SELECT id, name FROM t ORDER BY name, id",
    "SELECT DISTINCT LENGTH(body) FROM t ORDER BY 1",
    "SELECT a.id, b.id FROM t a JOIN t b ON a.k = b.k ORDER BY 1, 2",
    "SELECT a.id, b.id FROM t a LEFT JOIN t b ON a.id = b.k AND b.name LIKE 'B%' ORDER BY 1, 2",
    (
        "SELECT id FROM t WHERE k IN (SELECT k FROM t WHERE n > 1) AND EXISTS (SELECT 1 FROM t x WHERE x.id = t.id)"
        " ORDER BY id"
    ),
    "SELECT id FROM t WHERE id IN (1,2,3,4,5,6,7,8,9,10,11,12) OR k = 2 ORDER BY id",
    "SELECT * FROM v WHERE state = 'NEW' ORDER BY id",
    "SELECT state, COUNT(*) FROM v GROUP BY state ORDER BY 1",
    (
        "SELECT (SELECT MAX(n) FROM t x WHERE x.k = t.k), GREATEST(u, 1), COALESCE(c, name), CASE WHEN c = 'X' THEN 1"
        " END FROM t ORDER BY id"
    ),
    "SELECT 1 UNION SELECT 1 UNION ALL SELECT 2 ORDER BY 1",
)


@pytest.fixture
def options(mysql: MySQLServer) -> Iterator[SourceOptions]:
    """An account with SELECT only (init_connect does not run for SUPER), and a database with TABLES."""
    database = mysql.fresh_database()
    user = f"u{database[-8:]}"
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        more = {"mariadb": (*VERSIONED, RECURSIVE), "seekdb": (RECURSIVE,)}.get(mysql.name, ())
        for statement in (*TABLES, *more, f"CREATE USER {user}", f"GRANT SELECT ON {database}.* TO {user}"):
            cursor.execute(statement)
        yield SourceOptions(database=database, user=user, socket=Path(mysql.unix_socket), mask_salt=SALT)
        cursor.execute(f"DROP USER {user}")


def run_queries(session: Session) -> list[Any]:
    """What the battery gives; an error counts as its number."""
    found: list[Any] = []
    for query in (*QUERIES, "SELECT id FROM old_rows ORDER BY id", "SELECT COUNT(*), SUM(n) FROM days"):
        try:
            found.append((query, session.rows(query)[1]))
        except SourceError as error:
            found.append((query, re.findall(r"error \d+", str(error))))
    for query in ("SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED)", "SELECT CAST(1e30 AS SIGNED)"):
        session.rows(query)
        found.append([(code, level) for level, code, _ in session.warnings()])
    return found


def read_all_results(options: SourceOptions, *statements: str) -> list[Any]:
    """The same in a session of ours, in which more may have been set."""
    with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
        for statement in statements:
            # A few cannot be set in a transaction, so neither by anybody whom we read for.
            with contextlib.suppress(sa.exc.DBAPIError):
                session.connection.exec_driver_sql(statement)
        return run_queries(session)


def extremes(name: str) -> tuple[str, ...]:
    """A buffer of all the memory that there is ends in an error."""
    return EXTREMES[:2] if name in BUFFERS.split() else EXTREMES


def accepted(cursor: Any, assignments: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that the server takes, each tried and taken back."""
    taken = []
    for name, value in assignments:
        with contextlib.suppress(pymysql.MySQLError):
            cursor.execute(f"SET SESSION {name} = {value}")
            taken.append((name, value))
    return taken


@contextlib.contextmanager
def globally(mysql: MySQLServer, statements: Callable[[Any], list[tuple[str, str]]]) -> Iterator[list[str]]:
    """Set variables for every connection to come, as far as the server takes them, and put back what they were."""
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES")
        before = dict(cursor.fetchall())
        done: list[str] = []
        try:
            for name, value in statements(before):
                with contextlib.suppress(pymysql.MySQLError):
                    cursor.execute(f"SET GLOBAL {name} = {value}")
                    done.append(name)
            yield done
        finally:
            for name in reversed(done):
                old = before[name]
                number = old.replace(".", "", 1).lstrip("-").isdigit()
                default = name == "system_versioning_asof"
                cursor.execute(
                    f"SET GLOBAL {name} = " + ("DEFAULT" if default else old if number else connection.escape(old))
                )


# seekdb takes init_connect and does not run it.
@on("mariadb", "mysql56")
def test_init_connect_changes_no_result(mysql: MySQLServer, options: SourceOptions):
    clean = read_all_results(options)
    with mysql.connect() as connection, connection.cursor() as cursor:
        nasty = accepted(cursor, list(NASTY.items()))
    assert len(nasty) > 20
    statements = "; ".join(["USE information_schema", *(f"SET SESSION {name} = {value}" for name, value in nasty)])
    with mysql.connect() as connection:
        quoted = connection.escape(statements)
    with globally(mysql, lambda _: [("init_connect", quoted)]):
        with pymysql.connect(unix_socket=mysql.unix_socket, user=options.user, charset="utf8mb4") as connection:
            cursor = connection.cursor()
            cursor.execute("SET SESSION sql_select_limit = 10, SESSION sql_big_selects = 1")
            cursor.execute("SELECT DATABASE(), @@div_precision_increment")
            assert cursor.fetchall() == (("information_schema", 0),), "init_connect did not run"
        assert read_all_results(options) == clean


def test_defaults_of_the_server_change_no_result(mysql: MySQLServer, options: SourceOptions):
    clean = read_all_results(options)
    unfit = {"autocommit", "last_insert_id", "timestamp", "max_join_size"}
    with globally(
        mysql, lambda before: [(name, value) for name, value in NASTY.items() if name in before and name not in unfit]
    ) as done:
        assert len(done) > 15
        assert read_all_results(options) == clean


def test_rows_are_not_cut_by_a_limit_that_the_server_sets(mysql: MySQLServer, options: SourceOptions, tmp_path: Path):
    entry = TableEntry.model_validate({"name": "t", "select_fields": ["id"], "group_by": ["id"]})
    with globally(mysql, lambda _: [("sql_select_limit", "0")]):
        extract = read_extract(ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE), options, tmp_path, ignore_progress)
    assert [dataset.rows for dataset in extract.datasets] == [4, 4]


@pytest.mark.slow
def test_the_variables_that_are_left_alone_change_no_result(mysql: MySQLServer, options: SourceOptions):
    clean = read_all_results(options)
    with mysql.connect(database=options.database) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION VARIABLES")
        names = sorted(HARMLESS & {name for name, _ in cursor.fetchall()})
    with (
        pymysql.connect(unix_socket=mysql.unix_socket, user=options.user, charset="utf8mb4") as connection,
        connection.cursor() as cursor,
    ):
        taken = {name: [value for _, value in accepted(cursor, [(name, v) for v in extremes(name)])] for name in names}
    tried = 0
    for values in itertools.islice(
        itertools.zip_longest(*(taken[name] for name in names if taken[name])), len(EXTREMES)
    ):
        chosen = [
            (name, value)
            for name, value in zip((n for n in names if taken[n]), values, strict=True)
            if value is not None
        ]
        tried += len(chosen)
        assert read_all_results(options, *(f"SET SESSION {name} = {value}" for name, value in chosen)) == clean, chosen
    assert tried > 100


def test_a_variable_that_the_account_may_not_set_is_named_with_its_remedy(
    mariadb: MySQLServer, monkeypatch: pytest.MonkeyPatch
):
    options = SourceOptions(
        database=mariadb.fresh_database(), user="root", socket=Path(mariadb.unix_socket), mask_salt=SALT
    )
    # Nobody can set these in a session: one has another value, one the right one, one is of no weight.
    monkeypatch.setitem(FIXED, "secure_timestamp", FIXED["div_precision_increment"])
    monkeypatch.setitem(FIXED, "max_digest_length", Fixed("1024", "all", "nothing"))
    monkeypatch.setitem(FIXED, "thread_stack", Fixed("1", "all", "nothing", changes_results=False))
    with (
        pytest.raises(
            SourceError,
            match=r"may not set secure_timestamp, which is 'NO' and should be 4 \(error 1238\)\. .*init_connect",
        ) as caught,
        open_session(options, logical_time=LOGICAL_TIME, zone=ZONE),
    ):
        pass
    assert "by init_connect, or grant DB_USER the right to" in str(caught.value)
    assert "thread_stack" not in str(caught.value)
    assert "max_digest_length" not in str(caught.value)


def test_variables_that_are_right_already_need_no_right_to_set_them(
    mariadb: MySQLServer, monkeypatch: pytest.MonkeyPatch
):
    options = SourceOptions(
        database=mariadb.fresh_database(), user="root", socket=Path(mariadb.unix_socket), mask_salt=SALT
    )
    monkeypatch.setitem(FIXED, "max_digest_length", Fixed("1024", "all", "nothing"))
    monkeypatch.setitem(FIXED, "thread_stack", Fixed("1", "all", "nothing", changes_results=False))
    with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
        assert session.row("SELECT @@div_precision_increment = 4 AND @@max_sort_length = 1024")[0] == 1


def test_a_session_begins_with_few_statements(mariadb: MySQLServer):
    options = SourceOptions(
        database=mariadb.fresh_database(), user="root", socket=Path(mariadb.unix_socket), mask_salt=SALT
    )
    for _ in range(2):
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
            asked_for = int(session.row("SHOW SESSION STATUS LIKE 'Questions'")[1])
    # The statement that asks counts, and so does connecting.
    assert asked_for <= 8
