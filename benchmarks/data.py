"""The table that the benches read, and its server."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql

from aggregation_pipeline_tests.support.servers.mariadb import start_mariadb

TABLE: Final = "orders"
DATABASE: Final = "bench"
# All rows fit into it, so that no figure depends on the disk.
_BUFFER_POOL: Final = 2 << 30
# Keys, an amount, Chinese text with few and with many values, NULL in three rows of ten, a time: a row has about 90
# bytes on the wire.
_TABLE: Final = f"""
CREATE TABLE {TABLE} (
  id BIGINT UNSIGNED PRIMARY KEY, user_id INT NOT NULL, amount DECIMAL(12,2) NOT NULL, city VARCHAR(20) NOT NULL,
  status VARCHAR(12) NOT NULL, note VARCHAR(120) NULL, created_at DATETIME NOT NULL)"""
# The same rows each time, without random numbers: CRC32 spreads well enough.
_ROWS: Final = f"""
INSERT INTO {TABLE} SELECT
  seq, CRC32(seq) MOD 50000, (CRC32(CONCAT('a', seq)) MOD 10000000) / 100,
  ELT(1 + CRC32(CONCAT('c', seq)) MOD 8, '上海', '北京', '广州', '深圳', '杭州', '成都', '武汉', '西安'),
  ELT(1 + CRC32(CONCAT('s', seq)) MOD 4, 'paid', 'shipped', 'refunded', 'pending'),
  IF(CRC32(CONCAT('n', seq)) MOD 10 < 3, NULL, CONCAT('订单备注，请',
    ELT(1 + CRC32(CONCAT('d', seq)) MOD 4, '尽快发货', '周末送达', '放在门口', '电话联系'), '：',
    HEX(CRC32(CONCAT('h', seq))))),
  '2026-08-01' + INTERVAL (CRC32(CONCAT('t', seq)) MOD 7776000) SECOND
FROM seq_{{first}}_to_{{last}}"""
_ROWS_A_STATEMENT: Final = 1_000_000


@dataclass(frozen=True)
class Source:
    """Where the table is."""

    port: int
    rows: int
    folder: Path

    @property
    def address(self) -> dict[str, Any]:
        """The arguments that all drivers take."""
        return {"host": "127.0.0.1", "port": self.port, "user": "root", "database": DATABASE}

    def client(self, sql: str) -> list[str]:
        """Return the command of the server's own client, which keeps no row and looks at no type."""
        connection = ["--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}", "--user=root"]
        options = ["--no-defaults", "--quick", "--batch", *connection, "--default-character-set=utf8mb4"]
        return ["mariadb", *options, f"--execute={sql}", DATABASE]


@contextlib.contextmanager
def running_source(rows: int) -> Iterator[Source]:
    """Start a private server with `rows` rows; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="agg-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        server = start_mariadb(folder / "mariadb")
        try:
            with pymysql.connect(
                unix_socket=str(server.socket), user="root", charset="utf8mb4", autocommit=True
            ) as connection:
                cursor = connection.cursor()
                cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {_BUFFER_POOL}")
                cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
                connection.select_db(DATABASE)
                cursor.execute(_TABLE)
                for first in range(1, rows + 1, _ROWS_A_STATEMENT):
                    cursor.execute(_ROWS.format(first=first, last=min(first + _ROWS_A_STATEMENT - 1, rows)))
                cursor.execute(f"ANALYZE TABLE {TABLE}")
            yield Source(server.port, rows, folder)
        finally:
            server.stop()
