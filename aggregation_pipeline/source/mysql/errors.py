"""The one place where a driver's error becomes one of ours, in words of ours.

What the server said is read for its number and for names that are known to be safe, and then forgotten: servers do not
double quotes, so that nothing in a message tells where a cell's value ends.
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

from aggregation_pipeline.config.sql.expressions import CONSTANTS
from aggregation_pipeline.config.sql.server_functions import SERVER_FUNCTIONS
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.error_messages import (
    DEPRECATION,
    ELSE,
    PASSING,
    PLUGINS,
    REFUSALS,
    TYPES,
    Refusal,
)
from aggregation_pipeline.source.mysql.quotable import NOTHING, QuotableNames

# What a resolver says of names that are none; EAI_AGAIN is its own trouble, and passes.
_UNKNOWN_NAME: Final = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAIL")
    if hasattr(socket, name)
}
# The numbers that all servers share.
_SYMBOLS: Final = {code: name for name, code in vars(ER).items() if isinstance(code, int) and code < 1800}
_UNKNOWN_COLUMN: Final = 1054
_SYNTAX: Final = 1064
_NEAR: Final = re.compile(r" near '(.*)' at line \d+", re.DOTALL)
_PLURAL: Final = re.compile(r"(second|minute|hour|day|week|month|quarter|year)s\b", re.IGNORECASE)
_TYPE: Final = re.compile(r"(?:Truncated |Incorrect |incorrect )*([A-Za-z0-9 ]+) value\b|Cast to (\w+)\b")
# They need their brackets, even where there is nothing between them.
_FUNCTIONS: Final = frozenset(
    (
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
    )
)


@contextlib.contextmanager
def translate_errors(where: str = "", known: QuotableNames = NOTHING) -> Iterator[None]:
    """Turn errors of SQLAlchemy and PyMySQL into `SourceError` or `SourceLostError`, without any cell's value."""
    try:
        yield
    except (DBAPIError, pymysql.MySQLError, OSError) as error:
        raise to_source_error(error, where, known) from None
    except UnicodeDecodeError:
        raise SourceError(
            "the server cut a name or a message in the middle of a letter, and what is left is no text. Choose shorter"
            " names."
        ) from None


def to_source_error(error: BaseException, where: str = "", known: QuotableNames = NOTHING) -> SourceError:
    """Return our error for a driver's; only what is `known` is repeated of its text."""
    original = error.orig if isinstance(error, DBAPIError) else error
    arguments: tuple[object, ...] = getattr(original, "args", ())
    code = arguments[0] if arguments and isinstance(arguments[0], int) else None
    said = str(arguments[1]) if len(arguments) > 1 else ""
    at = f" at {where}" if where else ""
    if lasting := _lasting(original, code):
        return SourceError(f"MySQL{at}: {lasting}")
    if code is not None and code in PASSING:
        # PyMySQL keeps what a new connection failed by.
        cause = getattr(original, "original_exception", None)
        why = f": {_broken_by(cause)}" if isinstance(cause, OSError) else ""
        return SourceLostError(
            f"MySQL{at}: {PASSING[code]} (error {code}{why}). The run can be repeated; nothing was published."
        )
    if isinstance(original, OSError):
        return SourceLostError(
            f"MySQL{at}: the connection broke ({_broken_by(original)}). The run can be repeated; nothing was published."
        )
    words, remedy = _in_our_words(code, said, known)
    number = type(original).__name__ if code is None else f"error {code}"
    symbol = f", ER_{_SYMBOLS[code]}" if code in _SYMBOLS and code not in REFUSALS else ""
    refusal = SourceError(f"MySQL{at} refused a statement ({number}{symbol}): {words}.{f' {remedy}' if remedy else ''}")
    refusal.code, refusal.named = code, known.named(said)
    return refusal


def describe_warning(code: int, message: str, known: QuotableNames = NOTHING, words: str = "") -> str:
    """Return a warning in our words; `words` are those for deprecated syntax, of which a note is repeated where it
    holds nothing else.
    """
    if words and known.consists_of(message, DEPRECATION | SERVER_FUNCTIONS):
        return f"{code} {message.rstrip('.')}"
    return f"{code} {words or _in_our_words(code, message, known).words}"


def _in_our_words(code: int | None, said: str, known: QuotableNames) -> Refusal:
    words, remedy = REFUSALS.get(code, ELSE) if code is not None else ELSE
    names = known.plus(PLUGINS).named(said)
    # What stands before is a cell's value, which may be a known name all the same.
    column = known.named(said.rpartition(" for column ")[2]) if " for column " in said else ()
    kind = next((word for groups in _TYPE.findall(said) if (word := "".join(groups).strip()).casefold() in TYPES), "")
    if code == _UNKNOWN_COLUMN:
        remedy = _no_column(said) or remedy
    near = ""
    if code == _SYNTAX and (found := _NEAR.search(said)):
        near = known.beginning(found[1])
        if unit := _PLURAL.match(found[1]):
            remedy = f"MySQL's units have no s: INTERVAL 7 {unit[1].upper()}."
    slots = {
        "name": f" '{names[0]}'" if names else "",
        "column": f" for column '{column[0]}'" if column else "",
        "user": f" '{known.user}'" if known.user else "",
        "type": f" {kind}" if kind else "",
        "Type": f"{kind} " if kind else "A ",
        "near": f" near '{near}'" if near else "",
    }
    return Refusal(words.format_map(slots), remedy)


def _broken_by(error: OSError) -> str:
    """What became of a connection, by the system's own words for it."""
    return error.strerror if error.errno is not None and error.strerror else type(error).__name__


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
            "DB_SSL_MODE=VERIFY_IDENTITY that DB_HOST is a name in the certificate."
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return (
            f"TLS was not agreed upon ({cause.reason}). Check DB_SSL_CERT and DB_SSL_KEY, and which versions of TLS the"
            " server takes."
        )
    return ""


def _no_column(said: str) -> str:
    """The remedy where a word that was taken for a column is another thing in MySQL; nothing where it is none."""
    found = re.search("'(?:[^']*[.])?([^'.]+)'", said)
    word = found[1] if found else ""
    if word.lower() in CONSTANTS:
        return (
            "A word that stands alone in a list or in `field` is a column; MySQL's own value is written {expr:"
            f" {word}, alias: ...}}."
        )
    if word.lower() in _FUNCTIONS:
        return f"A word without brackets is a column; the function is written {{expr: {word}(), alias: ...}}."
    return ""
