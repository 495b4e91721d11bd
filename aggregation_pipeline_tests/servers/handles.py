"""What the fixtures hand to tests."""

import uuid
from dataclasses import dataclass
from typing import Any

import pymysql

from aggregation_pipeline.embedded.postgres import Postgres


@dataclass(frozen=True)
class MySQLServer:
    """A server that speaks MySQL's protocol. `host` and `port` are None where it listens on its socket only (seekdb)."""

    name: str
    unix_socket: str
    host: str | None
    port: int | None
    user: str
    password: str
    database: str
    pid: int

    def connect(self, **overrides: Any) -> "pymysql.Connection[Any]":
        """A raw PyMySQL connection, autocommit, on `database` unless another is given. The caller closes it."""
        settings: dict[str, Any] = {
            "unix_socket": self.unix_socket,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "charset": "utf8mb4",
            "autocommit": True,
        }
        connection: pymysql.Connection[Any] = pymysql.connect(**(settings | overrides))
        return connection

    def fresh_database(self) -> str:
        """Create an empty utf8mb4 database of its own and return its name."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        with self.connect(database=None) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name


@dataclass(frozen=True)
class PostgresServer:
    """PostgreSQL in the zone Asia/Shanghai; every URL puts the session in UTC."""

    url: str
    server: Postgres

    def fresh_database(self) -> str:
        """Create an empty database of its own and return its URL."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.server.execute(f"CREATE DATABASE {name}")
        return self.server.url(name)
