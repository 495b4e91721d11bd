"""What errors of PostgreSQL are called in our words, by SQLSTATE, and what to do about them."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """Words for an error, and the remedy. `{name}` is what it is about, `{near}` where the parser stopped."""

    words: str
    remedy: str = ""


_ROWS: Final = "Correct the expression, or the rows that it cannot take."
_CONFLICT: Final = (
    "the replica ended the statement, because changes that came from its primary removed rows that the snapshot still"
    " needed. Raise max_standby_streaming_delay on the replica or switch on its hot_standby_feedback, or read the"
    " primary"
)

# Errors after which the same run may succeed.
LOST: Final[Mapping[str, str]] = {
    "25P03": "the server ended the session, because its transaction was idle for too long",
    "40001": _CONFLICT,
    "40P01": "the server broke a deadlock by ending this statement",
    "53300": "the server has no connection free",
    "55P03": (
        "another session holds a lock on a table that the entry reads, such as that of an ALTER TABLE, for longer than"
        " lock_wait_seconds"
    ),
    "57P01": "the server is shutting down, or somebody ended the session",
    "57P02": "another process of the server crashed, so it ended all sessions",
    "57P03": "the server is starting up or shutting down",
    "57P05": "the server ended the session, because it was idle for too long",
    "58030": "the server could not read or write its files",
}

REFUSALS: Final[Mapping[str, Refusal]] = {
    "0A000": Refusal("The server does not support what the statement asks for{near}"),
    "21000": Refusal(
        "A sub-select returned more than one row where one is expected", "Give it a LIMIT, an aggregate or a condition."
    ),
    "22": Refusal("A value does not suit the operation or the type that it is read as", _ROWS),
    "22003": Refusal("A number is out of the range of its type", "Cast the operands to numeric first."),
    "22007": Refusal("A text is not the date or time that it is read as", _ROWS),
    "22008": Refusal("A date or time is out of range", _ROWS),
    "22011": Refusal("SUBSTRING was given a negative length", _ROWS),
    "22012": Refusal("Division by zero", "Divide by NULLIF(..., 0): the result is NULL then."),
    "22021": Refusal("A text has bytes that its character set does not have", "Repair the rows."),
    "22P02": Refusal("A text is not a value of the type that it is read as", _ROWS),
    "22P05": Refusal("A character has no place in UTF-8, or in the database's character set", "Repair the rows."),
    "23": Refusal("A constraint was violated, and a pipeline only reads", "Leave out the function that writes."),
    "25006": Refusal("The statement would write, and the session is read-only", "Leave out what writes."),
    "25P02": Refusal("An earlier statement of this transaction failed"),
    "25P04": Refusal("The transaction took longer than it may", "Read less, or raise max_snapshot_seconds."),
    "28": Refusal("The login was refused", "Check DB_USER and DB_PASSWORD."),
    "2200": Refusal("A value does not suit the operation or the type that it is read as", _ROWS),
    "3D000": Refusal("There is no such database", "Check DB_NAME."),
    "3F000": Refusal("There is no schema{name}", "Check the entry's `table`."),
    "42501": Refusal(
        "DB_USER has no right to read{name}", "Grant USAGE on the schema and SELECT on the table to DB_USER."
    ),
    "42601": Refusal("The SQL has a mistake{near}"),
    "42622": Refusal("A name is too long", "PostgreSQL's names have 63 bytes."),
    "42702": Refusal("The column{name} is in several of the tables, and which one is meant is not said"),
    "42703": Refusal("There is no column{name}"),
    "42704": Refusal("There is no type or other object{name}"),
    "42725": Refusal("Several functions or operators suit the call{near}", "Cast its arguments to definite types."),
    "42803": Refusal(
        "The column{name} is neither grouped nor aggregated", "Add it to group_by, or aggregate it: MIN(...)."
    ),
    "42804": Refusal("Types do not suit each other{near}", "Cast one of them: ...::text."),
    "42809": Refusal("{name} is another kind of object than the statement needs"),
    "42846": Refusal("A value cannot be cast to that type{near}"),
    "42883": Refusal(
        "There is no function or operator for arguments of these types{near}",
        "PostgreSQL converts no text to a number by itself: cast it, or correct the function's name.",
    ),
    "42P01": Refusal(
        "There is no table{name}, or it is in a schema that is not searched",
        "Check the entry's `table`: another schema than public is written before it, schema.table.",
    ),
    "42P10": Refusal("A number in ORDER BY or GROUP BY is no place of an output"),
    "42P18": Refusal("The type of a value is not known{near}", "Cast it: NULL::text."),
    "42P22": Refusal("Which collation a text is compared by is not known", "Write COLLATE behind it."),
    "42": Refusal("The statement is not one that the server takes{near}"),
    "53": Refusal("The server lacks memory, disk space or another resource"),
    "53100": Refusal("The disk of the server is full", "Sorting and grouping need room there: read less."),
    "53200": Refusal("The server is out of memory"),
    "53400": Refusal("A limit of the server was reached (temp_file_limit or the like)", "Read less, or raise it."),
    "54": Refusal("The statement is larger than the server takes: too many columns or too deep an expression"),
    "57014": Refusal(
        "The statement was ended: it took longer than it may, or somebody cancelled it",
        "Read less (where, limit, fewer columns), or raise source_limits.timeout_seconds.",
    ),
    "58": Refusal("The server's machine has a fault"),
    "P0": Refusal("A function stored in the database raised an error"),
    "XX": Refusal("The server has found an error of its own, or damaged data", "Its log says more."),
}
OTHER_REFUSAL: Final = Refusal("The server's own message is left out, because it may hold the value of a cell", "")

# Why there is no connection: what is said, the SQLSTATE that the server has for it, and our words. Texts of libpq are
# always English; those of the server may be in another language, and then only the last words of all fit.
CONNECT_FAILURES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), state, words)
    for pattern, state, words in (
        (
            r"could not translate host name",
            "no host",
            "no host of that name is known. Check DB_HOST.",
        ),
        (
            r"definition of service|service file",
            "no service",
            "the variable PGSERVICE names a service that this machine does not have. Unset it.",
        ),
        (
            r"certificate verify failed|root certificate file|server certificate for .* does not match",
            "certificate",
            (
                "its certificate was not accepted. Check DB_SSL_CA, and with DB_SSL_MODE=VERIFY_IDENTITY that DB_HOST"
                " is a name in the certificate."
            ),
        ),
        (
            r"server does not support SSL",
            "no TLS",
            "DB_SSL_MODE demands TLS, and the server offers none. Turn it on there, or set DB_SSL_MODE=PREFERRED.",
        ),
        (
            r"private key file .* (?:has group or world access|must be owned)",
            "TLS",
            (
                "a private key that others may read is not used. Let the file of DB_SSL_KEY belong to the service's"
                " account, and to it alone: chmod 600."
            ),
        ),
        (
            r"requires a valid client certificate|alert certificate required|certificate authentication failed",
            "28000",
            "it wants a certificate of '{user}' that it trusts. Set DB_SSL_CERT and DB_SSL_KEY.",
        ),
        (
            r"SSL error|private key file|certificate file",
            "TLS",
            (
                "TLS could not be negotiated. Check DB_SSL_CERT and DB_SSL_KEY, and which versions of TLS the server"
                " accepts."
            ),
        ),
        (
            r"password authentication failed|no password supplied|authentication failed",
            "28P01",
            "it refused the login of '{user}'. Check DB_USER and DB_PASSWORD.",
        ),
        (
            r"role .* does not exist|is not permitted to log in",
            "28000",
            "it has no user '{user}' who may log in. Check DB_USER.",
        ),
        (
            r"pg_hba\.conf",
            "28000",
            (
                "its pg_hba.conf does not let '{user}' in from this machine, or not without TLS. Add a line there, or"
                " set DB_SSL_MODE=REQUIRED."
            ),
        ),
        (
            r"database .* does not exist",
            "3D000",
            "it has no database of that name. Check DB_NAME.",
        ),
        (
            r"permission denied for database",
            "42501",
            "'{user}' may not connect to that database. Grant CONNECT on it.",
        ),
        (
            r"too many (?:clients|connections)|remaining connection slots|connection limit exceeded|query_wait_timeout",
            "53300",
            "it has no connection free.",
        ),
        (
            r"cannot use serializable mode in a hot standby",
            "0A000",
            (
                "it is a replica, and sessions of '{user}' begin as serializable, which a replica refuses: ALTER ROLE"
                " ... SET default_transaction_isolation = 'repeatable read'. A read is repeatable read anyhow."
            ),
        ),
        (r"starting up|shutting down|recovery mode|not accepting connections", "57P03", "it is starting or stopping."),
        (r"timeout expired|timed out", "08001", "no answer came in time. Check DB_HOST, DB_PORT and firewalls."),
        (
            r"Connection refused|No such file or directory|No route to host|Network is unreachable",
            "08001",
            "no server answers there. Check DB_HOST, DB_PORT, and that it runs.",
        ),
        (
            r"server closed the connection|received invalid response|expected authentication request",
            "08006",
            "what answers there broke the connection off, or is no PostgreSQL. Check DB_PORT.",
        ),
    )
)
# A retry would fail as well.
PERMANENT_CONNECT_FAILURES: Final = frozenset(
    ("no host", "no service", "certificate", "no TLS", "TLS", "28P01", "28000", "3D000", "42501", "0A000")
)
