"""A database of PostgreSQL for each test, ways to fill it with an independent client, and to read it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
import pytest

from aggregation_pipeline.config.sql.in_use import using
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.reader import read_extract
from aggregation_pipeline.source.request import NOBODY, Arrivals, Progress, ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE, Read, ignore_progress
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

Connect = Callable[[], "psycopg2.extensions.connection"]


def entry_of(**keys: object) -> TableEntry:
    """An entry of a source of this kind, given as the YAML's keys."""
    with using(POSTGRESQL):
        return TableEntry.model_validate({"source_kind": "postgresql", **keys})


@pytest.fixture(scope="module")
def database(source_postgres: PostgresServer) -> str:
    """The name of a database; tests of a module make tables of their own in it."""
    return source_postgres.fresh_database().partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="module")
def options(source_postgres: PostgresServer, database: str) -> SourceOptions:
    return SourceOptions(
        database=database,
        user="postgres",
        socket=source_postgres.server.socket_folder,
        port=5432,
        mask_salt=SALT,
        kind="postgresql",
    )


@pytest.fixture(scope="module")
def client(source_postgres: PostgresServer, database: str) -> "Iterator[psycopg2.extensions.connection]":
    """A connection of psycopg2's, which shares no code with the reader's driver."""
    connection = psycopg2.connect(host=str(source_postgres.server.socket_folder), user="postgres", dbname=database)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture
def execute(client: "psycopg2.extensions.connection") -> Callable[[str | Sequence[str]], None]:
    def run(statements: str | Sequence[str]) -> None:
        with client.cursor() as cursor:
            for statement in [statements] if isinstance(statements, str) else statements:
                cursor.execute(statement)

    return run


@pytest.fixture
def read(options: SourceOptions, tmp_path: Path) -> Read:
    """Read an entry, given as the YAML's keys, at LOGICAL_TIME in Asia/Shanghai."""

    def run(
        progress: Progress = ignore_progress,
        zero_dates: str = "null",
        warn: Callable[[str], None] = pytest.fail,
        zone: ZoneInfo = ZONE,
        partition: TimeRange | None = None,
        logical_time: datetime = LOGICAL_TIME,
        arrivals: Arrivals = NOBODY,
        **keys: object,
    ) -> Extract:
        request = ReadRequest(entry_of(**keys), "2026-11-21", logical_time, zone, zero_dates, partition)  # type: ignore[arg-type]
        return read_extract(request, options, tmp_path, progress, warn, arrivals=arrivals)

    return run
