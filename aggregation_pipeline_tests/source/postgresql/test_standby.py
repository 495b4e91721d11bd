"""Reading from a hot standby: in ranges, and when its primary is gone."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql import ranges
from aggregation_pipeline.source.postgresql.reader import read_extract
from aggregation_pipeline.source.postgresql.session import open_session
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import SALT, ZONE, ignore_progress, rows_of
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.standby import start_standby
from aggregation_pipeline_tests.support.waiting import until

pytestmark = pytest.mark.slow

ROWS = 20_000
Ask = Callable[[str], list[tuple[Any, ...]]]


def asking(folder: Path, database: str) -> Iterator[Ask]:
    with closing(psycopg2.connect(host=str(folder), user="postgres", dbname=database)) as connection:
        connection.autocommit = True

        def ask(statement: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

        yield ask


@pytest.fixture(scope="module")
def shop(installed_postgres: PostgresServer) -> str:
    return installed_postgres.fresh_database().partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="module")
def primary(installed_postgres: PostgresServer, shop: str) -> Iterator[Ask]:
    for ask in asking(installed_postgres.server.socket_folder, shop):
        # What was committed is in the log that is sent, when the statement is over.
        ask("SET synchronous_commit = on")
        ask("CREATE TABLE wide (id int PRIMARY KEY, filling text)")
        ask(f"INSERT INTO wide SELECT i, repeat(md5(i::text), 40) FROM generate_series(1, {ROWS}) AS i")
        ask("ANALYZE wide")
        ask("CREATE ROLE strict LOGIN SUPERUSER")
        yield ask


@pytest.fixture(scope="module")
def folder(primary: Ask, installed_postgres: PostgresServer, server_folder: Path) -> Iterator[Path]:
    standby = start_standby(installed_postgres.server, server_folder / "standby")  # type: ignore[arg-type]  # is installed
    yield standby.socket_folder
    standby.stop()


@pytest.fixture
def standby(folder: Path, shop: str) -> Iterator[Ask]:
    yield from asking(folder, shop)


@pytest.fixture
def options(folder: Path, shop: str) -> SourceOptions:
    return SourceOptions(database=shop, user="postgres", socket=folder, port=5432, mask_salt=SALT, kind="postgresql")


def read(options: SourceOptions, folder: Path, readers: int = 1) -> tuple[int, list[str]]:
    """Read `wide`; return how many rows came, and what was said."""
    said: list[str] = []
    entry = entry_of(name="wide", select_fields=["*"], source_limits={"readers": readers})
    request = ReadRequest(entry, "w", datetime.now(UTC), ZONE)
    extract = read_extract(request, options, folder, ignore_progress, note=said.append)
    return len(rows_of(extract)), said


def applied(primary: Ask, standby: Ask) -> None:
    """Wait until the standby has all that the primary has written."""
    ((place,),) = primary("SELECT pg_current_wal_flush_lsn()::text")
    until("the standby", lambda: standby(f"SELECT pg_last_wal_replay_lsn() >= '{place}'") == [(True,)], 60)


def test_its_snapshot_is_shared_as_well(options: SourceOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "BIG_TABLE", 1_000)
    rows, said = read(options, tmp_path, readers=3)
    assert rows == ROWS
    # A connection that could not join it would be spoken of too.
    assert [each for each in said if "from a replica" not in each] == ["wide: the detail rows are read in 3 ranges."]


def test_without_its_primary_it_says_that_rows_may_be_missing(
    primary: Ask, standby: Ask, options: SourceOptions, tmp_path: Path
):
    ((source,),) = standby("SHOW primary_conninfo")
    quoted = source.replace("'", "''")

    def connected() -> bool:
        with open_session(options, zone=ZONE) as session:
            return session.replica is not None and session.replica.caught_up

    # Of what was there before the copy a standby does not know when it was committed.
    primary("UPDATE wide SET filling = filling WHERE id = 1")
    applied(primary, standby)
    until("the primary", connected, 60)
    standby("ALTER SYSTEM SET primary_conninfo = ''")
    standby("SELECT pg_reload_conf()")
    try:
        until("no primary", lambda: not standby("SELECT 1 FROM pg_stat_wal_receiver"), 60)
        rows, (note,) = read(options, tmp_path)
    finally:
        standby(f"ALTER SYSTEM SET primary_conninfo = '{quoted}'")
        standby("SELECT pg_reload_conf()")
    assert rows == ROWS
    assert "wide was read from a replica that had applied what was committed until 20" in note
    until("nothing to say", lambda: read(options, tmp_path) == (ROWS, []), 60)


def test_a_role_whose_sessions_are_serializable_is_told_so(
    primary: Ask, standby: Ask, options: SourceOptions, tmp_path: Path
):
    primary("ALTER ROLE strict SET default_transaction_isolation = serializable")
    applied(primary, standby)
    with pytest.raises(SourceError, match=r"it is a replica, and sessions of 'strict' begin as serializable") as caught:
        read(replace(options, user="strict"), tmp_path)
    assert not isinstance(caught.value, SourceLostError)
