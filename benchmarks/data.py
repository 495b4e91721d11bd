"""The server that the benches read, and its tables."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql

from aggregation_pipeline_tests.support.servers.mariadb import start_mariadb
from benchmarks.processor import counted, server_seconds
from benchmarks.shapes import ORDERS, Shape

TABLE: Final = ORDERS.name
DATABASE: Final = "bench"
# All rows fit into it, so that no figure depends on the disk.
_BUFFER_POOL: Final = 3 << 30
_ROWS_IN_A_FILE: Final = 500_000
# After filling, the server works on by itself. It is at rest when it takes less than this of a second.
_AT_REST: Final = 0.03
_REST_SECONDS: Final = 30


@dataclass(frozen=True)
class Source:
    """Where the tables are. `rows` are in the table `orders`."""

    port: int
    rows: int
    folder: Path

    @property
    def address(self) -> dict[str, Any]:
        """The arguments that all drivers take."""
        return {"host": "127.0.0.1", "port": self.port, "user": "root", "database": DATABASE}

    def fill(self, shape: Shape, rows: int) -> str:
        """Make a table of this shape and size, unless there is one; return its name."""
        name = shape.name if rows == self.rows else f"{shape.name}_{rows}"
        with self._connect() as connection, connection.cursor() as cursor:
            if not cursor.execute("SHOW TABLES LIKE %s", (name,)):
                cursor.execute(f"CREATE TABLE {name} (id BIGINT UNSIGNED PRIMARY KEY, {shape.columns})")
                self._load(cursor, name, shape, rows)
                cursor.execute(f"ANALYZE TABLE {name}")
        rest()
        return name

    def execute(self, *statements: str) -> None:
        """Run statements, and wait until the server is at rest again."""
        with self._connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        rest()

    def _connect(self) -> "pymysql.Connection[Any]":
        return pymysql.connect(**self.address, charset="utf8mb4", autocommit=True)

    def _load(self, cursor: Any, name: str, shape: Shape, rows: int) -> None:
        path = self.folder / f"{name}.tsv"
        for first in range(1, rows + 1, _ROWS_IN_A_FILE):
            with path.open("wb") as file:
                for lines in shape.lines(first, min(first + _ROWS_IN_A_FILE - 1, rows)):
                    file.write(lines)
            path.chmod(0o644)
            cursor.execute(f"LOAD DATA INFILE '{path}' INTO TABLE {name} CHARACTER SET utf8mb4")
        path.unlink(missing_ok=True)

    def client(self, sql: str) -> list[str]:
        """Return the command of the server's own client, which keeps no row and looks at no type."""
        connection = ["--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}", "--user=root"]
        options = ["--no-defaults", "--quick", "--batch", *connection, "--default-character-set=utf8mb4"]
        return ["mariadb", *options, f"--execute={sql}", DATABASE]


@contextlib.contextmanager
def running_source(rows: int) -> Iterator[Source]:
    """Start a private server with `rows` rows in `orders`; remove it afterwards. Its processor time is counted."""
    with tempfile.TemporaryDirectory(prefix="agg-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # PostgreSQL does not run as root: its account has to reach its folder in here.
        folder.chmod(0o711)
        server = start_mariadb(folder / "mariadb", options=[f"--innodb-buffer-pool-size={_BUFFER_POOL}"])
        try:
            with counted(server.child.pid):
                source = Source(server.port, rows, folder)
                with pymysql.connect(unix_socket=str(server.socket), user="root") as connection:
                    connection.cursor().execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
                source.fill(ORDERS, rows)
                yield source
        finally:
            server.stop()


def rest() -> None:
    """Wait until the counted servers do nothing by themselves, so that no contender pays for what was before it."""
    until = time.monotonic() + _REST_SECONDS
    while time.monotonic() < until:
        before = server_seconds()
        time.sleep(1)
        if server_seconds() - before < _AT_REST:
            return
