"""What tests read a source table with: a logical time, options for a test's server, and the rows of an extract."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pydantic import SecretStr

from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

LOGICAL_TIME = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SALT = SecretStr("a key that only tests know")
ZONE = ZoneInfo("Asia/Shanghai")

# seekdb has one storage engine, whatever a table is said to have.
SERVERS_WITH_STORAGE_ENGINES = ["mariadb", pytest.param("mysql56", marks=pytest.mark.sample)]

# Types of the fixtures `read` and `execute` in aggregation_pipeline_tests/source/conftest.py.
Read = Callable[..., Extract]
Execute = Callable[[str | Sequence[str]], None]


def options_for(server: MySQLServer, database: str) -> SourceOptions:
    """Options that reach `database` on a test's server."""
    return SourceOptions(database=database, user=server.user, socket=Path(server.unix_socket), mask_salt=SALT)


def ignore_progress(_dataset: str, _done: int, _total: int | None) -> None:
    """A progress callback for tests that do not look at progress."""


def rows_of(extract: Extract, dataset: str = "detail") -> list[dict[str, Any]]:
    """All rows of one dataset of an extract, as Python values."""
    one = next(each for each in extract.datasets if each.name == dataset)
    rows: list[dict[str, Any]] = pa.Table.from_batches(one.batches(), one.schema).to_pylist()
    assert len(rows) == one.rows
    return rows


def run_on(server: MySQLServer, database: str, statements: Sequence[str]) -> None:
    """Run statements on a test's server, one after the other."""
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
