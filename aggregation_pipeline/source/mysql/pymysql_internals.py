"""Every private or undocumented name of PyMySQL that this package uses, and who needs it.

No other module uses one. pyproject.toml holds PyMySQL's minor version for their sake, and a test tries each of them.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.protocol import MysqlPacket

# COM_RESET_CONNECTION of the protocol, which PyMySQL does not name.
_RESET_CONNECTION: Final = 0x1F
# A PyMySQL connection. Its stubs leave out all that is used below.
PyMySQLConnection = Any


class ColumnDescription(Protocol):
    """What PyMySQL keeps of a column's description; its cursor's `description` shows less."""

    name: str
    type_code: int
    flags: int
    charsetnr: int
    length: int
    scale: int


@dataclass(frozen=True, slots=True)
class RawResult:
    """A result set whose rows are still in the socket.

    Attributes:
        columns: in the statement's order.
        sequence: the number of the next packet, from 0 to 255.
        read: returns what the socket holds, at most so many bytes; empty when the server has closed it.
    """

    columns: tuple[ColumnDescription, ...]
    sequence: int
    read: Callable[[int], bytes]


def start_query(connection: PyMySQLConnection, sql: str) -> RawResult:
    """Send a statement, and take its rows over from PyMySQL, which would make a Python object of every cell.

    row_protocol reads the rows. Until it has, nothing else may use the connection.

    Raises:
        pymysql.err.InternalError: the statement returned no result set.
        pymysql.err.MySQLError: the server refused the statement.
    """
    connection.query(sql, unbuffered=True)
    result = connection._result
    if not result.unbuffered_active:
        raise pymysql.err.InternalError(CR.CR_COMMANDS_OUT_OF_SYNC, "the statement returned no result set")
    # PyMySQL must not drain the rows when its result object goes away.
    result.unbuffered_active = False
    result.connection = None
    connection._result = None

    def read(size: int) -> bytes:
        # Looked up each time: a reference to the reader would keep the socket open after force_close.
        received: bytes = connection._rfile.read1(size)
        return received

    return RawResult(tuple(result.fields), connection._next_seq_id, read)


def raise_server_error(packet: bytes) -> None:
    """Raise what an error packet says, which may come in the middle of the rows. row_protocol needs it.

    Raises:
        pymysql.err.MySQLError: always, for an error packet.
    """
    MysqlPacket(packet, "utf-8").raise_for_error()


def force_close(connection: PyMySQLConnection) -> None:
    """Close the socket without the drain that a polite close begins with.

    row_protocol and session need it: only that stops a server that is sending, and it ends the transaction too.
    """
    connection._force_close()


def socket_shutdown(connection: PyMySQLConnection) -> Callable[[], None]:
    """Return a function that wakes the thread that waits for the server. deadline calls it from another thread."""
    # Looked up now: PyMySQL forgets the socket when it closes the connection.
    sock: Final[socket.socket] = connection._sock

    def shutdown() -> None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    return shutdown


def connect_failure(error: object) -> BaseException | None:
    """Return what a new connection failed by, None for any other error. errors needs it, for words and for retries."""
    cause = getattr(error, "original_exception", None)
    return cause if isinstance(cause, BaseException) else None


class HookedConnection(Connection):
    """PyMySQL's connection, with its TLS context and its first statement chosen by us. connection opens it."""

    def __init__(
        self, *, tls_context: Callable[[], ssl.SSLContext], first_statement: str = "", **parameters: object
    ) -> None:
        self._tls_context = tls_context
        self._first_statement = first_statement
        super().__init__(**parameters)  # type: ignore[call-overload]

    def start_over(self) -> None:
        """Give the session the state of a new one. connection needs it, to use a connection again.

        Raises:
            pymysql.err.MySQLError: the server is gone, or too old to know the command (MySQL before 5.7).
        """
        itself: PyMySQLConnection = self
        itself._execute_command(_RESET_CONNECTION, b"")
        itself._read_ok_packet()
        if self.db is not None:
            # MariaDB forgets the collation of the database.
            self.select_db(self.db)
        # As connect() does it.
        self.set_character_set(self.charset, self.collation)
        if self.autocommit_mode is not None:
            self.autocommit(self.autocommit_mode)

    def _create_ssl_ctx(self, sslp: object) -> ssl.SSLContext:
        """PyMySQL asks this for the context, also where TLS is only preferred and no option of its own names one."""
        del sslp
        return self._tls_context()

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """PyMySQL calls this as the last step of connecting, before SQLAlchemy can ask the server anything."""
        super().set_character_set(charset, collation)
        if self._first_statement:
            with contextlib.suppress(pymysql.MySQLError):
                self.query(self._first_statement)
