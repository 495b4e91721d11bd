"""The private names of PyMySQL: each is tried here, so that a new version that moves one fails by its name."""

import ast
import inspect
import re
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection

import aggregation_pipeline
from aggregation_pipeline.source.mysql import pymysql_internals
from aggregation_pipeline.source.mysql.pymysql_internals import (
    HookedConnection,
    connect_failure,
    force_close,
    raise_server_error,
    socket_shutdown,
    start_query,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.mariadb import free_port

PACKAGE = Path(aggregation_pipeline.__file__).parent
NAMES = {
    *("_result", "unbuffered_active", "_next_seq_id", "_rfile", "_sock", "_force_close", "MysqlPacket"),
    *("_create_ssl_ctx", "set_character_set", "original_exception"),
}


@pytest.fixture
def connection(seekdb: MySQLServer) -> Iterator[Any]:
    opened = seekdb.connect()
    yield opened
    if opened.open:
        opened.close()


def names_in(path: Path) -> set[str]:
    """Attributes, imported names, methods and texts of a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.alias(name=name):
                found.add(name)
            case ast.Constant(value=str(text)):
                found.add(text)
            case _:
                pass
    return found


def test_one_module_uses_private_names_of_pymysql_and_no_other():
    home = Path(pymysql_internals.__file__)
    assert names_in(home) & NAMES == NAMES
    assert {
        str(path.relative_to(PACKAGE)): used
        for path in (PACKAGE / "source").rglob("*.py")
        if path != home and (used := names_in(path) & NAMES)
    } == {}


def test_row_protocol_takes_descriptions_and_rows_over_from_a_result(connection: Any):
    """`_result` with `fields`, `unbuffered_active` and `connection`; `_next_seq_id`; `_rfile.read1`."""
    result = start_query(connection, "SELECT 1 AS n, CAST('中' AS CHAR(5)) AS 词")
    assert [column.name for column in result.columns] == ["n", "词"]
    assert all(
        isinstance(value, int)
        for column in result.columns
        for value in (column.type_code, column.flags, column.charsetnr, column.length, column.scale)
    )
    assert connection._result is None
    rows = result.read(1 << 16)
    assert b"\x011\x03" + "中".encode() in rows
    # The fourth byte of a packet's header is its number.
    assert rows[3] == result.sequence


def test_a_statement_without_rows_is_not_taken_over(connection: Any):
    """`_result.unbuffered_active` tells row_protocol whether there are rows to read."""
    with pytest.raises(pymysql.err.InternalError, match="returned no result set"):
        start_query(connection, "SET @a = 1")
    assert connection.query("SELECT 1") == 1


def test_row_protocol_raises_what_an_error_packet_says():
    """`MysqlPacket`: the server may send an error in the middle of the rows."""
    with pytest.raises(pymysql.err.OperationalError) as caught:
        raise_server_error(b"\xff" + (1317).to_bytes(2, "little") + b"#70100Query execution was interrupted")
    assert caught.value.args == (1317, "Query execution was interrupted")


def test_row_protocol_and_session_close_a_connection_while_the_server_is_sending(connection: Any):
    """`_force_close`: a polite close would first read the rest of the rows."""
    result = start_query(connection, "SELECT REPEAT('x', 1000000) UNION ALL SELECT REPEAT('y', 1000000)")
    sock = connection._sock
    force_close(connection)
    assert not connection.open
    assert sock.fileno() == -1
    with pytest.raises(AttributeError):
        result.read(1)


def test_deadline_wakes_a_thread_that_waits_for_the_server(connection: Any):
    """`_sock`: nothing else ends a read that waits."""
    threading.Timer(0.3, socket_shutdown(connection)).start()
    began = time.monotonic()
    with pytest.raises(pymysql.err.OperationalError):
        connection.query("SELECT SLEEP(30)")
    assert time.monotonic() - began < 10


def test_errors_learn_what_a_new_connection_failed_by():
    """`original_exception`: tells an unknown host or a wrong certificate from a server that is down for a moment."""
    with pytest.raises(pymysql.err.OperationalError) as caught:
        pymysql.connect(host="127.0.0.1", port=free_port())
    assert isinstance(connect_failure(caught.value), ConnectionRefusedError)
    assert connect_failure(pymysql.err.OperationalError(1205, "a lock")) is None


def test_connection_chooses_the_tls_context(seekdb: MySQLServer):
    """`_create_ssl_ctx`: it is asked for the context where TLS is only preferred, which no argument could give."""
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    with HookedConnection(tls_context=context, unix_socket=seekdb.unix_socket, user=seekdb.user) as opened:
        assert made == [opened.ctx]  # type: ignore[attr-defined]
    made.clear()
    HookedConnection(tls_context=context, unix_socket=seekdb.unix_socket, user=seekdb.user, ssl_disabled=True).close()
    assert made == []


def test_connection_lets_a_session_start_over(mariadb: MySQLServer):
    """`_execute_command`, `_read_ok_packet`: PyMySQL has no method of its own for the command."""
    address = {"unix_socket": mariadb.unix_socket, "user": mariadb.user, "database": mariadb.database}
    context, first = ssl.create_default_context, "SET @first = 7"
    with HookedConnection(tls_context=context, first_statement=first, ssl_disabled=True, **address) as opened:
        opened.query("SET @second = 8")
        opened.start_over()
        opened.query("SELECT @first, @second, DATABASE()")
        assert opened._result.rows == ((7, None, mariadb.database),)  # type: ignore[attr-defined]


def test_connection_sends_its_first_statement_before_anybody_can_ask(seekdb: MySQLServer):
    """`set_character_set`: the last thing that connecting calls with a connection that works."""
    address = {"unix_socket": seekdb.unix_socket, "user": seekdb.user}
    context = ssl.create_default_context
    with HookedConnection(tls_context=context, first_statement="SET @first = 7", **address) as opened:
        opened.query("SELECT @first")
        assert opened._result.rows == ((7,),)  # type: ignore[attr-defined]
    with HookedConnection(tls_context=context, first_statement="SET no_such_variable = 7", **address) as opened:
        assert opened.open
    body = inspect.getsource(Connection.connect)
    assert re.search(r"_get_server_information\(\).*_request_authentication\(\).*set_character_set\(", body, re.DOTALL)
