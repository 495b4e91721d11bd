"""The one place where a driver's error becomes one of ours."""

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import pymysql
from pymysql.constants import CR
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.config.expressions import CONSTANTS
from aggregation_pipeline.errors import SourceError, SourceLostError

# The connection or the server went away, is full, or somebody else was first: the same statement may succeed later.
_PASSING: Final = {
    1040: "the server has no connection free",
    1053: "the server is shutting down",
    1203: "this user has no connection free",
    1205: "another session holds a lock",
    1213: "the server broke a deadlock by ending this statement",
    1927: "the connection was killed",
    2002: "no server answers there",
    2003: "no server answers there",
    2006: "the server went away",
    2013: "the server went away in the middle of a statement",
    2014: "the connection is out of step",
    5066: "the connection was killed",
}
# What a resolver says of names that are none; EAI_AGAIN is its own trouble, and passes.
_UNKNOWN_NAME: Final = {
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAIL") if hasattr(socket, name)
}
_TOO_LONG: Final = "The statement took longer than it may. Give its `where` an index, or raise source_limits.timeout_seconds."
_REMEDIES: Final = {
    1044: "Check DB_NAME, whose case counts on most servers, or grant SELECT on the database to DB_USER.",
    1045: "Check DB_USER and DB_PASSWORD, and from which hosts that user may connect.",
    1049: "Check DB_NAME, whose case counts on most servers.",
    1054: "A column in the entry is not (or no longer) in the table: compare the entry with SHOW COLUMNS.",
    1055: "Group by the column as well, or aggregate it.",
    1064: "The server does not understand an expression of the entry; its syntax may be another version's.",
    1142: "Grant SELECT on the table to DB_USER.",
    1143: "Grant SELECT on the column to DB_USER.",
    1146: "Check the entry's `table` and DB_NAME.",
    1305: "The server has no such function.",
    1267: "Texts of two collations are compared or joined: write COLLATE utf8mb4_bin, or another, behind one of them.",
    1317: "Somebody killed the statement.",
    1356: "The view itself is broken: what it reads was renamed or dropped, or its definer lost a right. Mend it (SHOW CREATE VIEW).",
    1370: "Check the function's name (the server says the same of one that there is not), or grant EXECUTE on it to DB_USER.",
    1449: "The view's or the function's definer is gone: create that account, or the view, anew.",
    1690: "Write CAST(... AS DECIMAL(65)) around a part of it, or AS SIGNED where columns that are UNSIGNED are subtracted.",
    1524: "MySQL 9 has no mysql_native_password: ALTER USER ... IDENTIFIED WITH caching_sha2_password BY '...' for DB_USER.",
    1792: "Exports run in a read-only transaction: an expression of the entry calls something that writes.",
    1969: _TOO_LONG,
    3024: _TOO_LONG,
    4012: _TOO_LONG,
}
# Errors whose quoted parts are names and SQL from the configuration. In all others they may be values of cells.
_NAMES_ONLY: Final = frozenset(
    (
        1044,
        1045,
        1049,
        1052,
        1054,
        1055,
        1056,
        1060,
        1064,
        1109,
        1111,
        1115,
        1140,
        1142,
        1143,
        1146,
        1193,
        1227,
        1235,
        1247,
        1253,
        1267,
        1273,
        1287,
        1305,
        1356,
        1370,
        1449,
        1524,
        1554,
        1582,
        1630,
        1681,
        1792,
        3719,
        3720,
        3778,
        4079,
        4119,
        4162,
    )
)
# From the first quote to the last, since quotes inside of a value are not doubled; only the name of a column behind it stays.
_QUOTED_VALUES: Final = re.compile(r"['\"].*?(?P<tail>(?: for column '[^']*')?(?: at row \d+)?)\Z", re.DOTALL)


_UNKNOWN_COLUMN: Final = 1054
_SYNTAX: Final = 1064
_PLURAL: Final = re.compile(r"near '(second|minute|hour|day|week|month|quarter|year)s\b", re.IGNORECASE)
# They need their brackets, even where there is nothing between them.
_FUNCTIONS: Final = frozenset(
    ("now", "curdate", "curtime", "database", "schema", "user", "session_user", "system_user", "version", "unix_timestamp", "pi")
)


@contextlib.contextmanager
def translated(where: str = "") -> Iterator[None]:
    """Turn errors of SQLAlchemy and PyMySQL into `SourceError` or `SourceLostError`, without any cell's value."""
    try:
        yield
    except (DBAPIError, pymysql.MySQLError, OSError) as error:
        raise explain(error, where) from None
    except UnicodeDecodeError:
        raise SourceError(
            "the server cut a name or a message in the middle of a letter, and what is left is no text. Choose shorter names."
        ) from None


def explain(error: BaseException, where: str = "") -> SourceError:
    """Return our error for a driver's."""
    original = error.orig if isinstance(error, DBAPIError) else error
    arguments: tuple[object, ...] = getattr(original, "args", ())
    code = arguments[0] if arguments and isinstance(arguments[0], int) else None
    said = str(arguments[1]) if len(arguments) > 1 else type(original).__name__ if code is None else ""
    at = f" at {where}" if where else ""
    if lasting := _lasting(original, code):
        return SourceError(f"MySQL{at}: {lasting}")
    if code in _PASSING:
        return SourceLostError(f"MySQL{at}: {_PASSING[code]} (error {code}: {said}). The run can be repeated; nothing was published.")
    if isinstance(original, OSError):
        return SourceLostError(f"MySQL{at}: the connection broke ({original}). The run can be repeated; nothing was published.")
    remedy = f" {_REMEDIES[code]}" if code in _REMEDIES else ""
    if code == _UNKNOWN_COLUMN:
        remedy = _no_column(said) or remedy
    if code == _SYNTAX and (unit := _PLURAL.search(said)):
        remedy = f" MySQL's units have no s: INTERVAL 7 {unit[1].upper()}."
    refusal = SourceError(f"MySQL{at} refused a statement (error {code}): {_without_values(code, said)}.{remedy}")
    refusal.code, refusal.named = code, frozenset(re.findall(r"`([^`]+)`(?!\.)", said))
    return refusal


def _lasting(original: object, code: int | None) -> str:
    """Why a connection that failed would fail again, in words; empty where it may not."""
    if code == CR.CR_SSL_CONNECTION_ERROR:
        return "DB_SSL_MODE demands TLS, and the server offers none. Turn it on there, or set DB_SSL_MODE=PREFERRED."
    # PyMySQL keeps what a new connection failed by; whatever breaks one that stood may pass.
    cause = getattr(original, "original_exception", None)
    if isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN_NAME:
        return f"no host of that name is known ({cause.strerror}). Check DB_HOST."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate was not accepted ({cause.verify_message.rstrip('.')}). Check DB_SSL_CA, and with "
            f"DB_SSL_MODE=VERIFY_IDENTITY that DB_HOST is a name in the certificate."
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return f"TLS was not agreed upon ({cause.reason}). Check DB_SSL_CERT and DB_SSL_KEY, and which versions of TLS the server takes."
    return ""


def _no_column(said: str) -> str:
    """The remedy where a word that was taken for a column is another thing in MySQL; nothing where it is none."""
    found = re.search("'(?:[^']*[.])?([^'.]+)'", said)
    word = found[1] if found else ""
    if word.lower() in CONSTANTS:
        return f" A word that stands alone in a list or in `field` is a column; MySQL's own value is written {{expr: {word}, alias: ...}}."
    if word.lower() in _FUNCTIONS:
        return f" A word without brackets is a column; the function is written {{expr: {word}(), alias: ...}}."
    return ""


def describe_warning(code: int, message: str) -> str:
    """Return a warning's text without the values that it may quote."""
    return f"{code} {_without_values(code, message)}"


def _without_values(code: int | None, message: str) -> str:
    text = message.rstrip(".")
    return text if code in _NAMES_ONLY else _QUOTED_VALUES.sub(r"'…'\g<tail>", text)
