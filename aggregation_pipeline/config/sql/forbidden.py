"""SQL that no expression may hold: what acts on the server, waits, or gives another result each time.

Tokens are checked, because they are what the server sees. Stored functions are allowed: they run in a transaction that
the server holds READ ONLY.
"""

from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.config.sql.clauses import refuse_clauses, refuse_placeholders
from aggregation_pipeline.config.sql.tokens import ExpressionError, Token, quote

# Deeper than what people write, and within what the parser's recursion takes under any limit of other libraries.
_MAX_DEPTH: Final = 50
_WAITS: Final = "holds the connection, and the snapshot with it"
_RANDOM: Final = "gives another result each time, so the same data would not give the same file"
_LOCKS: Final = "works on locks of the server, which other programs rely on"
_ADMIN: Final = "administers the server"
_SEQUENCE: Final = "advances a sequence, which is a write"
_CLOCK: Final = "is the clock of the server, which differs from row to row; NOW() is the run's logical time"
_FUNCTIONS: Final = {
    name: reason
    for names, reason in (
        ("sleep benchmark master_pos_wait master_gtid_wait source_pos_wait", _WAITS),
        ("wait_for_executed_gtid_set wait_until_sql_thread_after_gtids", _WAITS),
        ("get_lock release_lock release_all_locks is_free_lock is_used_lock", _LOCKS),
        ("load_file sys_exec sys_eval sys_get sys_set", "reads or changes files and programs of the server's machine"),
        ("rand random random_bytes uuid uuid_short uuid_v4 uuid_v7 sys_guid", _RANDOM),
        ("sysdate", _CLOCK),
        ("nextval setval lastval", _SEQUENCE),
        ("last_insert_id", "keeps a value in the session, and a pipeline that only reads never inserts"),
    )
    for name in names.split()
}
_FUNCTION_PREFIXES: Final = (
    *("group_replication_", "asynchronous_connection_failover_", "version_tokens_", "service_get_", "service_release_"),
    *("keyring_key_", "audit_log_", "audit_api_", "mysql_firewall_", "read_firewall_", "set_firewall_", "wsrep_"),
)
_WORDS: Final = {
    "into": "SELECT ... INTO writes files or variables",
    "procedure": "PROCEDURE runs a program of the server",
    "lock": "LOCK IN SHARE MODE locks rows",
    "outfile": "INTO OUTFILE writes files",
    "dumpfile": "INTO DUMPFILE writes files",
    "sysdate": f"it {_CLOCK}",
    **dict.fromkeys(["nextval", "setval", "lastval"], f"it {_SEQUENCE}"),
}
_PAIRS: Final = {
    ("for", "update"): "it locks rows",
    ("for", "share"): "it locks rows",
    ("next", "value"): f"it {_SEQUENCE}",
}
# Reserved words only: any other first word may be a column. INSERT() and REPLACE() are functions too.
_STATEMENTS: Final = frozenset(
    (
        *("select", "with", "values", "table", "update", "delete", "drop", "create", "alter"),
        *("set", "call", "load", "grant", "revoke", "use"),
    )
)
_STATEMENTS_OR_FUNCTIONS: Final = frozenset(("insert", "replace"))


def refuse_forbidden(tokens: Sequence[Token], role: str) -> None:
    """Refuse tokens that leave the parentheses around the expression, or that do more than read.

    Raises:
        ExpressionError: names the token, why it is refused, and what to write instead.
    """
    depth = 0
    for token, following in zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        _refuse_forbidden_symbol(token, depth)
        _refuse_forbidden_name(token, following)
    if depth:
        raise ExpressionError("an opening parenthesis is never closed")
    _refuse_statement(tokens[0], following=tokens[1] if len(tokens) > 1 else None)
    refuse_placeholders(tokens)
    refuse_clauses(tokens, role)


def _refuse_forbidden_symbol(token: Token, depth: int) -> None:
    """`depth` counts the parentheses that are open after the token."""
    if depth < 0:
        raise ExpressionError("a closing parenthesis has no opening one before it")
    if depth > _MAX_DEPTH:
        raise ExpressionError("it is nested too deeply; make it a view in the database")
    if token.text == "," and depth == 0:
        raise ExpressionError(
            "one expression is expected, and a comma separates two; write them as two items of the list"
        )
    if token.text == "@":
        raise ExpressionError("variables of the session (@x) are not set by anyone here; write the value itself")


def _refuse_statement(first: Token, following: Token | None) -> None:
    is_call = following is not None and following.text == "("
    if first.kind == "word" and (first.name in _STATEMENTS or (first.name in _STATEMENTS_OR_FUNCTIONS and not is_call)):
        raise ExpressionError(
            f"{first.text} begins a statement, and one expression is expected. A sub-select needs parentheses, "
            f"a column of that name backticks: {quote(first.text)}"
        )


def _refuse_forbidden_name(token: Token, following: Token) -> None:
    name = token.name
    if following.text == "(" and name:
        reason = _FUNCTIONS.get(name) or (_ADMIN if name.startswith(_FUNCTION_PREFIXES) else None)
        if reason:
            raise ExpressionError(f"{name.upper()}() is refused: it {reason}")
    if token.kind == "word":
        if reason := _PAIRS.get((name, following.name)):
            raise ExpressionError(f"{token.text} {following.text} is refused: {reason}")
        if reason := _WORDS.get(name):
            raise ExpressionError(
                f"{token.text} is refused: {reason}. A column of that name needs backticks: {quote(token.text)}"
            )
