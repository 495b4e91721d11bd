"""Packets are put together correctly, wherever the network cuts them."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql
import pytest

from aggregation_pipeline.source.mysql import row_protocol
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@contextmanager
def cutting_proxy(target: int, largest: int) -> Iterator[int]:
    """A port that forwards to `target` and cuts the server's answers into pieces of random sizes."""
    sizes = random.Random(largest)

    def pump(source: socket.socket, sink: socket.socket, most: int) -> None:
        with suppress(OSError):
            while piece := source.recv(sizes.randint(1, most)):
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", target)) as server:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=pump, args=(server, client, largest))
                back.start()
                pump(client, server, 65_536)
                back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)
        assert not thread.is_alive()


def cells_of(server: MySQLServer, port: int, database: str, sql: str) -> list[tuple[bytes | None, ...]]:
    connection = pymysql.connect(host="127.0.0.1", port=port, user=server.user, database=database, charset="utf8mb4")
    rows: list[tuple[bytes | None, ...]] = []
    with connection:
        stream = RowStream(connection, sql)
        for block in stream.blocks():
            for row in range(block.rows):
                cells = [(c.starts[row], c.lengths[row], c.nulls is not None and c.nulls[row]) for c in block.columns]
                rows.append(
                    tuple(None if null else bytes(block.data[start : start + length]) for start, length, null in cells)
                )
        # Whatever follows on the connection is in step with the server again.
        assert connection.query("SELECT 1") == 1
    return rows


def port_of(server: MySQLServer) -> int:
    assert server.port is not None
    return server.port


@pytest.mark.parametrize("largest", [3, 40, 5_000])
def test_rows_are_the_same_however_the_network_cuts_them(
    mariadb: MySQLServer, largest: int, monkeypatch: pytest.MonkeyPatch
):
    # NULLs, empty texts, and texts on both sides of where their length takes another byte.
    rows = 40 if largest == 3 else 700
    sql = f"SELECT seq, IF(seq MOD 3, REPEAT('长', seq), NULL), '', REPEAT('x', 250 + seq MOD 3) FROM seq_1_to_{rows}"
    expected = [
        (str(n).encode(), ("长" * n).encode() if n % 3 else None, b"", b"x" * (250 + n % 3)) for n in range(1, rows + 1)
    ]
    # Blocks of a few rows, so that they end everywhere too.
    monkeypatch.setattr(row_protocol, "BLOCK_BYTES", 2_000)
    monkeypatch.setattr(row_protocol, "COLUMN_BYTES", 1)
    with cutting_proxy(port_of(mariadb), largest) as port:
        assert cells_of(mariadb, port, "test", sql) == expected


def test_a_block_of_many_columns_is_larger_because_each_has_a_cost_of_its_own(mariadb: MySQLServer):
    rows: list[int] = []
    for columns in (1, 200):
        connection = pymysql.connect(host="127.0.0.1", port=port_of(mariadb), user=mariadb.user)
        with connection:
            sql = f"SELECT {', '.join([repr('x' * 9)] * columns)} FROM test.seq_1_to_2000"
            rows.append(max(block.rows for block in RowStream(connection, sql).blocks()))
    # 2,000 bytes a row: 256 KiB would hold 130.
    assert rows[0] == 2000
    assert rows[1] > 900


def test_a_row_that_fills_its_packets_to_the_last_byte_is_whole(mariadb: MySQLServer):
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = 67108864")
    # A cell of this size has four bytes before it, and an empty packet behind it.
    size = 0xFFFFFF - 4
    sql = (
        f"SELECT REPEAT('a', {size}) UNION ALL SELECT 'between' UNION ALL SELECT REPEAT('b', {size + 1}) UNION ALL"
        " SELECT 'last'"
    )
    with cutting_proxy(port_of(mariadb), 900_000) as port:
        found = [row[0] for row in cells_of(mariadb, port, "test", sql)]
    assert found == [b"a" * size, b"between", b"b" * (size + 1), b"last"]
