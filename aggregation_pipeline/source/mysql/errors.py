"""The one place where a driver's error becomes one of ours, in our own words.

Only its number and names that are known to be safe are taken from what the server said. The rest may hold a cell's
value, and servers do not escape quotes, so nothing in a message tells where such a value ends.
"""

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import pymysql
from pymysql.constants import CR, ER
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.config.sql.mysql import CONSTANTS
from aggregation_pipeline.config.sql.server_functions import SERVER_FUNCTIONS
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.error_messages import (
    DEPRECATION,
    OTHER_REFUSAL,
    PLUGINS,
    REFUSALS,
    RETRYABLE,
    TYPES,
    Refusal,
)
from aggregation_pipeline.source.mysql.pymysql_internals import connect_failure
from aggregation_pipeline.source.mysql.quotable import NOTHING_QUOTABLE, QuotableNames

# The resolver says that there is no such name. EAI_AGAIN is a passing failure of the resolver itself.
_UNKNOWN_NAME: Final = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAIL")
    if hasattr(socket, name)
}
# Names of the error numbers that all servers share.
_SYMBOLS: Final = {code: name for name, code in vars(ER).items() if isinstance(code, int) and code < 1800}
# The end of what is said to those whose run met a SourceLostError.
REPEATABLE: Final = " The run can be repeated; nothing was published."
_LOGINS: Final = frozenset((1045, 1129, 1130, 1862, 3118, 4151))
_UNKNOWN_COLUMN: Final = 1054
_SYNTAX: Final = 1064
_NEAR: Final = re.compile(r" near '(.*)' at line \d+", re.DOTALL)
_PLURAL: Final = re.compile(r"(second|minute|hour|day|week|month|quarter|year)s\b", re.IGNORECASE)
_TYPE: Final = re.compile(r"(?:Truncated |Incorrect |incorrect )*([A-Za-z0-9 ]+) value\b|Cast to (\w+)\b")
# Functions that need their brackets, even if nothing is between them.
_FUNCTIONS: Final = frozenset(
    [
        "now",
        "curdate",
        "curtime",
        "database",
        "schema",
        "user",
        "session_user",
        "system_user",
        "version",
        "unix_timestamp",
        "pi",
    ]
)


@contextlib.contextmanager
def translate_errors(where: str = "", quotable: QuotableNames = NOTHING_QUOTABLE) -> Iterator[None]:
    """Turn errors of SQLAlchemy and PyMySQL into `SourceError` or `SourceLostError`, without any cell's value.

    Args:
        where: the server's address, if the message should name it.
        quotable: the names that may be repeated from the server's message.
    """
    try:
        yield
    except (DBAPIError, pymysql.MySQLError, OSError) as error:
        raise to_source_error(error, where, quotable) from None
    except UnicodeDecodeError:
        raise SourceError(
            "the server cut a name or a message in the middle of a character, so it cannot be read. Choose shorter"
            " names."
        ) from None


def to_source_error(error: BaseException, where: str = "", quotable: QuotableNames = NOTHING_QUOTABLE) -> SourceError:
    """Return our error for a driver's; of its text only what is quotable is repeated."""
    original = error.orig if isinstance(error, DBAPIError) else error
    arguments: tuple[object, ...] = getattr(original, "args", ())
    code = arguments[0] if arguments and isinstance(arguments[0], int) else None
    said = str(arguments[1]) if len(arguments) > 1 else ""
    at = f" at {where}" if where else ""
    if lasting := _lasting_failure(original, code):
        return SourceError(f"MySQL{at}: {lasting}")
    if code is not None and code in RETRYABLE:
        cause = connect_failure(original)
        why = f": {_system_words(cause)}" if isinstance(cause, OSError) else ""
        return SourceLostError(f"MySQL{at}: {RETRYABLE[code]} (error {code}{why}).{REPEATABLE}")
    if isinstance(original, OSError):
        return SourceLostError(f"MySQL{at}: the connection broke ({_system_words(original)}).{REPEATABLE}")
    words, remedy = _in_our_words(code, said, quotable)
    number = type(original).__name__ if code is None else f"error {code}"
    symbol = f", ER_{_SYMBOLS[code]}" if code in _SYMBOLS and code not in REFUSALS else ""
    refused = "the login" if code in _LOGINS else "a statement"
    refusal = SourceError(f"MySQL{at} refused {refused} ({number}{symbol}): {words}.{f' {remedy}' if remedy else ''}")
    refusal.code, refusal.named = code, quotable.named(said)
    return refusal


def is_refusal(error: BaseException) -> bool:
    """Whether the server refused a statement, and goes on to answer; a retry would be refused as well."""
    return not isinstance(to_source_error(error), SourceLostError)


def describe_warning(code: int, message: str, quotable: QuotableNames = NOTHING_QUOTABLE, words: str = "") -> str:
    """Return a warning in our words.

    Args:
        code: the server's number.
        message: the server's text.
        quotable: the names that may be repeated from it.
        words: our words for a harmless warning. The server's own are kept if they hold nothing but names and words
            about deprecated syntax.
    """
    if words and quotable.consists_of(message, DEPRECATION | SERVER_FUNCTIONS):
        return f"{code} {message.rstrip('.')}"
    return f"{code} {words or _in_our_words(code, message, quotable).words}"


def _in_our_words(code: int | None, said: str, quotable: QuotableNames) -> Refusal:
    words, remedy = REFUSALS.get(code, OTHER_REFUSAL) if code is not None else OTHER_REFUSAL
    names = quotable.plus(PLUGINS).named(said)
    # Before "for column" the message quotes a cell's value, which may happen to equal a known name.
    column = quotable.named(said.rpartition(" for column ")[2]) if " for column " in said else ()
    kind = next((word for groups in _TYPE.findall(said) if (word := "".join(groups).strip()).casefold() in TYPES), "")
    if code == _UNKNOWN_COLUMN:
        remedy = _remedy_for_word(said) or remedy
    near = ""
    if code == _SYNTAX and (found := _NEAR.search(said)):
        near = quotable.beginning(found[1])
        if unit := _PLURAL.match(found[1]):
            remedy = f"MySQL's units have no s: INTERVAL 7 {unit[1].upper()}."
    slots = {
        "name": f" '{names[0]}'" if names else "",
        "column": f" for column '{column[0]}'" if column else "",
        "user": f" '{quotable.user}'" if quotable.user else "",
        "type": f" {kind}" if kind else "",
        "Type": f"{kind} " if kind else "A ",
        "near": f" near '{near}'" if near else "",
    }
    return Refusal(words.format_map(slots), remedy)


def _system_words(error: OSError) -> str:
    """The operating system's words for an error, which hold no data."""
    return error.strerror if error.errno is not None and error.strerror else type(error).__name__


def _lasting_failure(original: object, code: int | None) -> str:
    """Say why a new connection failed and would fail again; empty if a retry may help."""
    if code == CR.CR_SSL_CONNECTION_ERROR:
        return "DB_SSL_MODE demands TLS, and the server offers none. Turn it on there, or set DB_SSL_MODE=PREFERRED."
    # Only a new connection has a cause; what breaks an established one may pass.
    cause = connect_failure(original)
    if isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN_NAME:
        return f"no host of that name is known ({cause.strerror}). Check DB_HOST."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate was not accepted ({cause.verify_message.rstrip('.')}). Check DB_SSL_CA, and with "
            "DB_SSL_MODE=VERIFY_IDENTITY that DB_HOST is a name in the certificate."
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return (
            f"TLS could not be negotiated ({cause.reason}). Check DB_SSL_CERT and DB_SSL_KEY, and which versions of TLS"
            " the server accepts."
        )
    return ""


def _remedy_for_word(said: str) -> str:
    """The remedy if a word that was taken for a column is a value or a function in MySQL; empty otherwise."""
    found = re.search("'(?:[^']*[.])?([^'.]+)'", said)
    word = found[1] if found else ""
    if word.lower() in CONSTANTS:
        return (
            "A word on its own in a list or in `field` is a column; MySQL's own value is written {expr:"
            f" {word}, alias: ...}}."
        )
    if word.lower() in _FUNCTIONS:
        return f"A word without brackets is a column; the function is written {{expr: {word}(), alias: ...}}."
    return ""
