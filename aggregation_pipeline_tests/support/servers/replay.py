"""A server that answers as MySQL 8 and 9 are documented to do, where no package of them is available.

It authenticates clients as MySQL 8 does and answers the statements that a test's script names. It forwards all others
to a real server, the backend, whose columns, rows, warnings and errors it repeats.
"""

import re
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pymysql

from aggregation_pipeline_tests.support.servers import packets
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.login import Account, Certificate, LoginRefusedError, let_in
from aggregation_pipeline_tests.support.servers.packets import Column, Wire
from aggregation_pipeline_tests.support.servers.replayed_variables import ReplayedVariables
from aggregation_pipeline_tests.support.servers.replies import Done, Error, Forward, Reply, ResultSet

# MySQL 5.6 has none of these, or has them under other names.
MYSQL_8: Mapping[str, str | None] = {
    "transaction_isolation": "READ-COMMITTED",
    "transaction_read_only": "OFF",
    "tx_isolation": None,
    "tx_read_only": None,
    "max_execution_time": "0",
    "cte_max_recursion_depth": "1000",
    "default_collation_for_utf8mb4": "utf8mb4_0900_ai_ci",
    "windowing_use_high_precision": "ON",
    "use_secondary_engine": "ON",
    "show_gipk_in_create_table_and_information_schema": "ON",
    "explain_format": "TRADITIONAL",
    "regexp_time_limit": "32",
    "regexp_stack_limit": "8000000",
    "internal_tmp_mem_storage_engine": "TempTable",
}

_QUIT, _INIT_DB, _QUERY, _PING = 1, 2, 3, 14


@dataclass
class Replay:
    """A running server.

    Attributes:
        port: on the loopback address.
        statements: every statement of a client, in order.
        logins: how each client authenticated.
        variables: its variables.
        text_charset: of text, if it is not the backend's.
    """

    port: int
    version: str
    backend: MySQLServer
    account: Account
    certificate: Certificate
    tls: bool
    script: Sequence[tuple[str, Reply]]
    variables: ReplayedVariables
    text_charset: int | None = None
    statements: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    def reply_to(self, sql: str) -> Reply:
        """Return the first reply of the script whose pattern is found in the statement, ignoring case."""
        for pattern, reply in self.script:
            if match := re.search(pattern, sql, re.IGNORECASE | re.DOTALL):
                return (
                    replace(reply, sql=match.expand(reply.sql)) if isinstance(reply, Forward) and reply.sql else reply
                )
        return self.variables.reply_to(sql)


@contextmanager
def replaying(
    backend: MySQLServer,
    folder: Path,
    script: Sequence[tuple[str, Reply]] = (),
    *,
    version: str = "8.4.3",
    account: Account | None = None,
    tls: bool = True,
    variables: Mapping[str, str | None] | ReplayedVariables = MYSQL_8,
    text_charset: int | None = None,
) -> Iterator[Replay]:
    """Run such a server.

    Args:
        backend: the backend, which answers what the script does not.
        folder: for the key and the certificate.
        script: patterns of statements with replies; the first that matches is used.
        version: the version that it reports.
        account: its only account.
        tls: whether it offers TLS.
        variables: its variables, or the values of those that the backend lacks.
        text_charset: of text, if it is not the backend's.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError), ExitStack() as stack:
                _serve(self.request, replay, stack)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    said = [
        *script,
        (r"^SELECT VERSION\(\)$", ResultSet([Column("VERSION()")], [[version]])),
    ]
    with Server(("127.0.0.1", 0), Handler) as server:
        certificate = Certificate.make(folder)
        replay = Replay(
            server.server_address[1],
            version,
            backend,
            account or Account(),
            certificate,
            tls,
            said,
            variables
            if isinstance(variables, ReplayedVariables)
            else ReplayedVariables({**variables, "version": version}),
            text_charset,
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield replay
        finally:
            server.shutdown()
            thread.join()


def _serve(connection: socket.socket, replay: Replay, stack: ExitStack) -> None:
    wire = Wire(connection)
    try:
        way, database = let_in(wire, replay.version, replay.account, replay.certificate, tls=replay.tls)
        replay.logins.append(way)
    except LoginRefusedError as refused:
        wire.write(packets.error(*refused.args))
        return
    finally:
        # TLS may have replaced the socket that the handler closes.
        stack.callback(wire.socket.close)
    # Without converters the bytes of the backend stay as they are.
    backend: Any = replay.backend.connect(database=database, conv={}, use_unicode=False)
    with backend:
        while (command := wire.read())[0] != _QUIT:
            _answer(wire, replay, backend, command[0], command[1:].decode())


def _answer(wire: Wire, replay: Replay, backend: Any, command: int, said: str) -> None:
    try:
        if command == _INIT_DB:
            backend.select_db(said)
        elif command == _QUERY:
            replay.statements.append(said)
            return wire.write(*_packets(replay.reply_to(said), backend, said, replay.text_charset))
        else:
            assert command == _PING, f"command {command} is not known here"
        wire.write(packets.ok(backend.server_status))
    except pymysql.MySQLError as failure:
        code, message = failure.args[:2]
        wire.write(packets.error(code, getattr(failure, "sqlstate", None) or "HY000", message))


def _packets(reply: Reply, backend: Any, said: str, text_charset: int | None) -> list[bytes]:
    status = backend.server_status
    if isinstance(reply, ResultSet):
        return packets.result(reply.columns, reply.rows, status, reply.warnings)
    if isinstance(reply, Done):
        return [packets.ok(status, reply.warnings)]
    if isinstance(reply, Error):
        return [packets.error(reply.code, reply.state, reply.message)]
    backend.query(reply.sql or said)
    result = backend._result
    warnings = result.warning_count if reply.warnings is None else reply.warnings
    if result.rows is None:
        return [packets.ok(backend.server_status, warnings)]
    columns = [Column(f.name, f.type_code, f.flags, f.charsetnr, f.length, f.scale) for f in result.fields]
    if text_charset is not None:
        columns = [each if each.charset == packets.BINARY else replace(each, charset=text_charset) for each in columns]
    columns = [reply.columns.get(place, column) for place, column in enumerate(columns)]
    rows = (
        [row for row in result.rows if row[0] is None or row[0].decode().lower() not in reply.hidden]
        if reply.hidden
        else result.rows
    )
    return packets.result(columns, [*rows, *reply.more], backend.server_status, warnings)
