"""The servers that fixtures give to tests."""

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql

from aggregation_pipeline.embedded.postgres import Postgres
from aggregation_pipeline.embedded.process import socket_accepts
from aggregation_pipeline_tests.support.servers.endings import endings

# Features that not every server has, each with a statement that returns a row only on a server that has it.
_PROBES: Final[Mapping[str, str]] = {
    "json": "SELECT JSON_VALID('[]')",
    "window functions": "SELECT ROW_NUMBER() OVER ()",
    "common table expressions": "WITH one AS (SELECT 1 AS n) SELECT n FROM one",
    "statement timeout": (
        "SHOW VARIABLES WHERE Variable_name IN ('max_execution_time', 'max_statement_time', 'ob_query_timeout')"
    ),
    "named zones": (
        "SELECT 1 FROM (SELECT CONVERT_TZ('2026-01-01', 'UTC', 'Asia/Shanghai') AS t) AS d WHERE t IS NOT NULL"
    ),
    "legacy character sets": "SELECT CONVERT('x' USING gbk), CONVERT('x' USING latin1)",
}


@dataclass(frozen=True)
class MySQLServer:
    """A server that speaks MySQL's protocol.

    Attributes:
        host, port: None if it listens on its socket only, as seekdb does.
    """

    name: str
    unix_socket: str
    host: str | None
    port: int | None
    user: str
    password: str
    database: str
    pid: int

    def connect(self, **overrides: Any) -> "pymysql.Connection[Any]":
        """A raw PyMySQL connection, autocommit, on `database` unless another is given. The caller closes it.

        Without TLS, for which PyMySQL would read the certificates of this machine for each connection: 20 ms.
        """
        settings: dict[str, Any] = {
            "unix_socket": self.unix_socket,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "charset": "utf8mb4",
            "autocommit": True,
            "ssl_disabled": True,
        }
        connection: pymysql.Connection[Any] = pymysql.connect(**(settings | overrides))
        return connection

    def fresh_database(self) -> str:
        """Create an empty utf8mb4 database of its own and return its name. A test's own is dropped after it."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self._outside(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        endings.append(lambda: self.drop(name))
        return name

    def drop(self, database: str) -> None:
        """Drop a database, if the server is there."""
        # A test may have ended a server of its own.
        if socket_accepts(Path(self.unix_socket)):
            self._outside(f"DROP DATABASE IF EXISTS {database}")

    def _outside(self, statement: str) -> None:
        with self.connect(database=None) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    @functools.cached_property
    def capabilities(self) -> frozenset[str]:
        """The optional features that the server has, found out by asking it."""
        found = set()
        with self.connect(database="information_schema") as connection, connection.cursor() as cursor:
            for name, statement in _PROBES.items():
                try:
                    if cursor.execute(statement):
                        found.add(name)
                except pymysql.MySQLError:
                    continue
        return frozenset(found)


@dataclass(frozen=True)
class PostgresServer:
    """PostgreSQL in the zone Asia/Shanghai; every URL puts the session in UTC."""

    url: str
    server: Postgres

    def fresh_database(self) -> str:
        """Create an empty database of its own and return its URL."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        # The default, a copy by the write-ahead log, takes four times as long where nothing waits for the disk.
        self.server.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return self.server.url(name)
