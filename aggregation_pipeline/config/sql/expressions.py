"""What a fragment of SQL in the config may be: one expression that reads, and nothing else.

`read_*` return the user's own text, comments taken out, ready to stand in parentheses in a query. sqlglot only judges
it: what sqlglot would print is not always what it read. The tokens come from our own lexer, which follows the server's.

A function that is not MySQL's own, a stored one, is allowed: it runs inside a transaction that the server holds READ
ONLY.
"""

import functools
import logging
import re
import unicodedata
from typing import Final, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from aggregation_pipeline.config.messages.likely_causes import foreign_comment, template
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.clauses import refuse_clauses, refuse_placeholders
from aggregation_pipeline.config.sql.tokens import ExpressionError, Token, quote, tokenize, unquote

# Beyond what people write, and within what the parser's recursion takes whatever limit other libraries have set.
_MAX_DEPTH: Final = 50

Role = Literal["group key", "field", "argument", "condition", "aggregate", "order"]

# It warns of JSON paths that it could not print; nothing of it is printed here, and MySQL takes them.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_MAX_LENGTH: Final = 16_384
_DIRECTIONS: Final = ("ASC", "DESC")
_WAITS: Final = "holds the connection, and the snapshot with it"
_RANDOM: Final = "gives another result each time, so the same data would not give the same file"
_LOCKS: Final = "works on locks of the server, which other programs rely on"
_ADMIN: Final = "administers the server"
_SEQUENCE: Final = "moves a sequence on, which is a write"
_BAD_FUNCTIONS: Final = {
    **dict.fromkeys(["sleep", "benchmark"], _WAITS),
    **dict.fromkeys(["master_pos_wait", "master_gtid_wait", "source_pos_wait"], _WAITS),
    **dict.fromkeys(["wait_for_executed_gtid_set", "wait_until_sql_thread_after_gtids"], _WAITS),
    **dict.fromkeys(["get_lock", "release_lock", "release_all_locks", "is_free_lock", "is_used_lock"], _LOCKS),
    **dict.fromkeys(
        ["load_file", "sys_exec", "sys_eval", "sys_get", "sys_set"],
        "reaches out of the database into the server's machine",
    ),
    **dict.fromkeys(
        ["rand", "random", "random_bytes", "uuid", "uuid_short", "uuid_v4", "uuid_v7", "sys_guid"], _RANDOM
    ),
    "sysdate": "is the clock of the server, which differs from row to row; NOW() is the run's logical time",
    **dict.fromkeys(["nextval", "setval", "lastval"], _SEQUENCE),
    "last_insert_id": "keeps a value in the session, and a pipeline that only reads never inserts",
}
_BAD_PREFIXES: Final = (
    "group_replication_", "asynchronous_connection_failover_", "version_tokens_", "service_get_", "service_release_", "keyring_key_",
    "audit_log_", "audit_api_", "mysql_firewall_", "read_firewall_", "set_firewall_", "wsrep_",
)  # fmt: skip
_BAD_WORDS: Final = {
    "into": "SELECT ... INTO writes files or variables",
    "procedure": "PROCEDURE runs a program of the server",
    "lock": "LOCK IN SHARE MODE locks rows",
    "outfile": "INTO OUTFILE writes files",
    "dumpfile": "INTO DUMPFILE writes files",
    "sysdate": "it " + _BAD_FUNCTIONS["sysdate"],
    **dict.fromkeys(["nextval", "setval", "lastval"], f"it {_SEQUENCE}"),
}
_BAD_PAIRS: Final = {
    ("for", "update"): "it locks rows",
    ("for", "share"): "it locks rows",
    ("next", "value"): "it " + _SEQUENCE,
}
# Reserved words only: anything else at the beginning may be a column. INSERT() and REPLACE() are functions too.
_STATEMENTS: Final = frozenset(
    (
        "select",
        "with",
        "values",
        "table",
        "update",
        "delete",
        "drop",
        "create",
        "alter",
        "set",
        "call",
        "load",
        "grant",
        "revoke",
        "use",
    )
)
_STATEMENTS_OR_FUNCTIONS: Final = frozenset(("insert", "replace"))
_NUMBER: Final = re.compile(r"[0-9]+(?:[eE][0-9]+)?|0x[0-9A-Fa-f]+|0b[01]+")
_WRITES: Final = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lock, exp.PropertyEQ)


# Words without brackets that are values in MySQL, and no names.
CONSTANTS: Final = frozenset((
    "current_date", "current_time", "current_timestamp", "current_user", "localtime", "localtimestamp",
    "utc_date", "utc_time", "utc_timestamp", "true", "false", "null",
))  # fmt: skip


def is_plain_word(text: str) -> bool:
    """Whether the text is a column by its bare name: letters of any script, digits and `_`, and neither a number nor a
    constant.
    """
    letters = bool(text) and all(c == "_" or unicodedata.category(c)[0] in "LMN" for c in text)
    return letters and not _NUMBER.fullmatch(text) and text.lower() not in CONSTANTS


def as_column(text: str) -> str:
    """The text of a place where a plain word is a column, whatever the word: one that MySQL has a constant for goes
    into backticks.
    """
    return quote(text.strip()) if text.strip().lower() in CONSTANTS else text


def is_column(node: exp.Expression) -> bool:
    """Whether a node is a column by its name; sqlglot takes `*` for one, and some of the constants."""
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        return False
    return bool(node.table) or bool(node.this.args.get("quoted")) or node.name.lower() not in CONSTANTS


def to_sql(expression: str) -> str:
    """A checked column or expression as it stands in a query."""
    if is_plain_word(expression):
        return quote(expression)
    return expression if _is_quoted_name(expression) else f"({expression})"


def output_name(expression: str) -> str:
    """What a column or expression without an alias is called in the output: the column, or the text itself."""
    return unquote(expression) if _is_quoted_name(expression) else expression


def read_column(text: str, role: Role) -> str:
    """A column's bare name as it is, or a checked expression. A plain word is a column here, even `current_date`.

    Raises:
        FragmentError: as for `read_expression`.
    """
    return read_item(as_column(text), role)


def read_item(text: str, role: Role) -> str:
    """The same where MySQL's constants are what they are in SQL: `CURRENT_DATE` is the day, and a column in backticks
    alone.

    Raises:
        FragmentError: as for `read_expression`.
    """
    stripped = text.strip()
    return stripped if is_plain_word(stripped) else read_expression(text, role)


@functools.lru_cache(maxsize=4096)
def read_expression(text: str, role: Role) -> str:
    """The user's own text without comments, proved to be one expression that only reads and suits its role.

    Raises:
        FragmentError: names what was found, why that cannot be taken, and what to write instead.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(
            f"the text has {len(text):,} characters, and {_MAX_LENGTH:,} is the limit; make it a view in the database"
        )
    tokens, clean = tokenize(text)
    if not tokens:
        raise ExpressionError("it is empty; a column or an expression is expected")
    _check_tokens(tokens, role)
    _check_tree(_parse(clean, text, role), role)
    return clean


def read_order(text: str) -> str:
    """A column or expression, then maybe ASC or DESC in capitals.

    Raises:
        FragmentError: as for `read_expression`, and for a position, which would silently sort by a constant.
    """
    expression, direction = split_direction(tokenize(text)[1])
    if _NUMBER.fullmatch(expression):
        raise ExpressionError(f"{expression} is a number, not a column; name the column to sort by")
    return " ".join(filter(None, (read_column(expression, "order"), direction)))


def split_direction(text: str) -> tuple[str, str]:
    """`"created_at desc"` -> `("created_at", "DESC")`; the direction is empty where none is given."""
    head, _, tail = text.rpartition(" ")
    return (head, tail.upper()) if head and tail.upper() in _DIRECTIONS else (text, "")


def _is_quoted_name(text: str) -> bool:
    return re.fullmatch(r"`(?:[^`]|``)+`", text) is not None


def _check_tokens(tokens: list[Token], role: Role) -> None:
    """The server's view: nothing reaches out of the parentheses that the fragment will stand in, and nothing acts."""
    depth = 0
    for token, following in zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
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
        _check_names(token, following)
    if depth:
        raise ExpressionError("an opening parenthesis is never closed")
    _check_first(tokens[0], following=tokens[1] if len(tokens) > 1 else None)
    refuse_placeholders(tokens)
    refuse_clauses(tokens, role)


def _check_first(first: Token, following: Token | None) -> None:
    called = following is not None and following.text == "("
    if first.kind == "word" and (first.name in _STATEMENTS or (first.name in _STATEMENTS_OR_FUNCTIONS and not called)):
        raise ExpressionError(
            f"{first.text} begins a statement, and one expression is expected. A sub-select stands in parentheses, "
            f"a column of that name in backticks: {quote(first.text)}"
        )


def _check_names(token: Token, following: Token) -> None:
    name = token.name
    if following.text == "(" and name:
        reason = _BAD_FUNCTIONS.get(name) or (_ADMIN if name.startswith(_BAD_PREFIXES) else None)
        if reason:
            raise ExpressionError(f"{name.upper()}() is refused: it {reason}")
    if token.kind == "word":
        if reason := _BAD_PAIRS.get((name, following.name)):
            raise ExpressionError(f"{token.text} {following.text} is refused: {reason}")
        if reason := _BAD_WORDS.get(name):
            raise ExpressionError(
                f"{token.text} is refused: {reason}. A column of that name stands in backticks: {quote(token.text)}"
            )


def _parse(clean: str, text: str, role: Role) -> exp.Expression:
    """The tree of the one expression in the text, `clean` without its comments."""
    try:
        statements = sqlglot.parse(f"SELECT ({clean})", read="mysql")
    except (SqlglotError, AttributeError, TypeError) as error:  # some slips make the parser itself stumble
        cause = template(text) or foreign_comment(text) or _where_it_stops(error)
        raise ExpressionError(f"it does not parse as an expression of MySQL: {cause}") from None
    except RecursionError:
        raise ExpressionError("it is nested too deeply; make it a view in the database") from None
    select = statements[0] if len(statements) == 1 else None
    if (
        not isinstance(select, exp.Select)
        or len(select.expressions) != 1
        or any(v for k, v in select.args.items() if k != "expressions")
    ):
        raise ExpressionError("one expression is expected, not a statement and not a list")
    inner = select.expressions[0]
    while isinstance(inner, (exp.Paren, exp.Subquery)):
        inner = inner.this
    if isinstance(inner, exp.Alias):
        raise ExpressionError(_why_no_alias(inner.alias, role))
    if isinstance(inner, (exp.Tuple, exp.Values)):
        raise ExpressionError("one expression is expected, and this is a list; write its items one by one")
    found: exp.Expression = inner
    return found


def _why_no_alias(alias: str, role: Role) -> str:
    """What a second name behind an expression was meant for."""
    if role == "order":
        hint = did_you_mean(alias, _DIRECTIONS)
        return (
            "the column or expression stands alone, or with ASC or DESC behind it; found"
            f" {alias}{f'.{hint}' if hint else ''}"
        )
    if alias.upper() in _DIRECTIONS:
        return (
            f"{alias} is an order, and the order of the rows stands under the key order_by, as in order_by: [created_at"
            " DESC]"
        )
    return f"a name is given by the key alias, not inside the SQL: {{expr: ..., alias: {alias}}}"


def _where_it_stops(error: Exception) -> str:
    """Where the parser gave up, in words; sqlglot's own name its classes."""
    place = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    word, behind = str(place.get("highlight") or ""), str(place.get("end_context") or "")
    # The last parenthesis is the one that we put around the fragment.
    if word == ")" and not behind:
        near = "something is missing at its end"
    else:
        near = (
            f"it is not understood near {word}" if word else "a comma, an operator or a part of a function is missing"
        )
    return f"{near}. A reserved word used as a name stands in backticks"


def _check_tree(tree: exp.Expression, role: Role) -> None:
    """What the role allows of aggregates and windows; a sub-select is a world of its own."""
    aggregates, windows, opaque = False, False, False
    for node in tree.walk(prune=lambda n: isinstance(n, exp.Query)):
        if isinstance(node, (exp.Placeholder, exp.Parameter)):
            raise ExpressionError("placeholders are not filled in; write the value itself")
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise ExpressionError("* means all columns, and one expression is expected; '*' alone is for select_fields")
        windows = windows or isinstance(node, exp.Window)
        opaque = opaque or isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc, exp.Query))
        aggregates = aggregates or (isinstance(node, exp.AggFunc) and not _slides(node))
    if any(isinstance(node, _WRITES) for node in tree.walk()):
        raise ExpressionError("only SQL that reads is taken")
    if role == "aggregate" and not (aggregates or opaque):
        raise ExpressionError(
            "it aggregates nothing, so a group has no one value of it; write SUM(...), MAX(...), or make it a"
            " group_by key"
        )
    if role != "aggregate" and aggregates:
        raise ExpressionError(
            f"an aggregate function has no meaning as {role}; it belongs in aggregations as {{expr: ..., alias: ...}}"
        )
    if windows and role not in ("field", "order"):
        raise ExpressionError(
            f"a window function (OVER) has no meaning as {role}; only select_fields and order_by can hold one"
        )


def _slides(aggregate: exp.AggFunc) -> bool:
    """Whether OVER follows, so that each row has a value."""
    parent = aggregate.parent
    while isinstance(parent, (exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
        parent = parent.parent
    return isinstance(parent, exp.Window) and parent.find(exp.AggFunc) == aggregate
