"""Reading a large table in ranges of its key: the same file as from one statement, from the one snapshot."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql import ranges
from aggregation_pipeline.source.postgresql.reader import read_extract
from aggregation_pipeline.source.request import NOBODY, Arrivals, Progress, ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.source.postgresql.conftest import Connect, entry_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Execute, ignore_progress
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.transaction_pooler import transaction_pooler
from aggregation_pipeline_tests.support.waiting import until

ROWS = 4_000
TABLES = {
    # Negative ones and gaps; one number is NaN.
    "wide": f"SELECT 3 * i - 6000 AS id, repeat('x', 500) AS filling,"
    f" CASE WHEN i = {ROWS} THEN 'NaN' ELSE i % 1000 / 8.0 END::numeric(10,2) AS price,"
    f" timestamptz '2026-11-20Z' + i * interval '1 s' AS at FROM generate_series(1, {ROWS}) AS i",
    # All but two in a small part of the span, which nobody has told the server.
    "skewed": f"SELECT CASE i WHEN 1 THEN -{2**63} WHEN 2 THEN {2**63 - 1} ELSE i END::int8 AS id, i AS n"
    f" FROM generate_series(1, {ROWS}) AS i",
    # Most rows have one value of the leading column.
    "nested": f"SELECT (CASE WHEN i % 10 = 0 THEN i % 7 ELSE 3 END)::int2 AS owner, i AS id"
    f" FROM generate_series(1, {ROWS}) AS i",
}
KEYS = {"wide": "id", "skewed": "id", "nested": "owner, id"}


@pytest.fixture(scope="module")
def tables(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        for name, rows in TABLES.items():
            cursor.execute(f"CREATE TABLE {name} WITH (autovacuum_enabled = off) AS {rows}")
            cursor.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({KEYS[name]})")
        cursor.execute("ANALYZE wide, nested")


@pytest.fixture
def connect(source_postgres: PostgresServer, database: str) -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:

        def connected() -> "psycopg2.extensions.connection":
            connection = psycopg2.connect(
                host=str(source_postgres.server.socket_folder), user="postgres", dbname=database
            )
            connection.autocommit = True
            return stack.enter_context(contextlib.closing(connection))

        yield connected


@dataclass
class Reading:
    """Reads an entry through so many connections."""

    options: SourceOptions
    folder: Path
    said: list[str] = field(default_factory=list)

    def __call__(
        self, readers: int, *, progress: Progress = ignore_progress, arrivals: Arrivals = NOBODY, **keys: Any
    ) -> bytes:
        partition: TimeRange | None = keys.pop("partition", None)
        limits = {"readers": readers, **keys.pop("source_limits", {})}
        entry = entry_of(**{"select_fields": ["*"], **keys}, source_limits=limits)
        request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE, "null", partition)
        self.said.clear()
        extract = read_extract(
            request, self.options, self.folder, progress, pytest.fail, self.said.append, arrivals=arrivals
        )
        return extract.datasets[-1].path.read_bytes()

    def in_ranges(self, readers: int, **keys: Any) -> bytes:
        """Read in ranges, through all of the connections: one that could not be had is spoken of too."""
        found = self(readers, **keys)
        (said,) = self.said
        assert "the detail rows are read in" in said
        return found


@pytest.fixture
def read(tables: None, options: SourceOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Ranges of at most 500 rows, of a table of 1,000 and more."""
    monkeypatch.setattr(ranges, "BIG_TABLE", 1_000)
    monkeypatch.setattr(ranges, "_RANGE_ROWS", range(10, 500))
    return Reading(options, tmp_path)


@pytest.fixture
def sessions(client: "psycopg2.extensions.connection", database: str) -> Callable[[], Sequence[int]]:
    """The processes of the sessions that read at the moment, in the order in which they began."""

    def found() -> Sequence[int]:
        with client.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'aggregation_pipeline'"
                " AND state <> 'idle' ORDER BY backend_start",
                (database,),
            )
            return [pid for (pid,) in cursor.fetchall()]

    return found


@pytest.mark.parametrize("table", TABLES)
def test_ranges_give_the_same_file_as_one_statement(read: Reading, table: str):
    assert read.in_ranges(3, name=table) == read(1, name=table)
    assert read.said == []


def test_rows_in_no_order_are_cut_by_the_blocks_of_the_table(read: Reading, execute: Execute, database: str):
    execute(["CREATE TABLE heap AS SELECT * FROM wide", "DELETE FROM heap WHERE id BETWEEN 0 AND 1000"])
    keys: dict[str, Any] = {"name": "heap", "where": "price <> 7"}
    assert read.in_ranges(3, **keys) == read(1, **keys)
    unordered: dict[str, Any] = {"name": "wide", "order": "none"}
    assert read.in_ranges(3, **unordered) == read(1, **unordered)
    # Who sees some columns only may not see where a row lies.
    role = f"narrow_{database}"
    execute([f"CREATE ROLE {role} LOGIN", f"GRANT SELECT (id) ON heap TO {role}"])
    narrow = Reading(replace(read.options, user=role), read.folder)
    narrow(3, name="heap", select_fields=["id"])
    assert narrow.said == []
    execute([f"DROP OWNED BY {role}", f"DROP ROLE {role}", "DROP TABLE heap"])


def test_windows_and_parts_of_a_table_are_read_in_ranges_too(read: Reading, execute: Execute):
    execute(
        [
            "CREATE TABLE parts (LIKE wide, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
            "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (0)",
            "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (0) TO (MAXVALUE)",
            "INSERT INTO parts SELECT * FROM wide",
            "ANALYZE parts",
        ]
    )
    start = datetime(2026, 11, 20, 8, 10, tzinfo=ZONE)
    window = TimeRange("w", "at", start, start + timedelta(minutes=50), ZONE)
    assert read.in_ranges(3, name="parts", partition=window) == read(1, name="parts", partition=window)


def test_a_condition_and_masks_hold_in_every_range(read: Reading):
    keys: dict[str, Any] = {"name": "wide", "where": "price <> 7 AND id > -5000", "mask": {"filling": "hash"}}
    assert read.in_ranges(2, **keys) == read(1, **keys)


@pytest.mark.parametrize(
    "keys",
    [{"order_by": ["price"]}, {"limit": 5}, {"mask": {"id": "hash"}}, {"where": "id < -4000"}],
    ids=str,
)
def test_other_orders_parts_and_small_numbers_of_rows_are_read_by_one(
    read: Reading, keys: dict[str, Any], sessions: Callable[[], Sequence[int]]
):
    seen = list[int]()
    read(
        4,
        name="wide",
        select_fields=["id", "price"],
        progress=lambda *_: seen.append(len(sessions())),
        **keys,
    )
    assert read.said == []
    assert set(seen) == {1}


def test_one_reads_where_ranges_would_be_more_work_for_the_server(read: Reading):
    read(4, name="wide", select_fields=["id", {"expr": "sum(id) OVER ()", "alias": "all"}])
    assert "wide: one connection reads the detail rows, because" in read.said[0]


def test_all_ranges_are_of_the_one_snapshot(read: Reading, execute: Execute):
    execute(["CREATE TABLE changing AS SELECT * FROM wide", "ALTER TABLE changing ADD PRIMARY KEY (id)"])
    execute("ANALYZE changing")
    before = read(1, name="changing")

    class Changing(Arrivals):
        def begin(self, extract: Extract) -> None:
            execute(
                [
                    "DELETE FROM changing WHERE id % 2 = 0",
                    "UPDATE changing SET price = 0",
                    "INSERT INTO changing VALUES (-20000), (100000)",
                ]
            )

    assert read.in_ranges(3, name="changing", arrivals=Changing()) == before
    assert read(1, name="changing") != before
    execute("DROP TABLE changing")


def test_a_lost_connection_of_one_reader_fails_the_whole(
    read: Reading, execute: Execute, sessions: Callable[[], Sequence[int]]
):
    seen = list[Sequence[int]]()

    def kill(*_: object) -> None:
        if not seen:
            seen.append(sessions())
            execute(f"SELECT pg_terminate_backend({seen[0][-1]})")

    with pytest.raises(SourceLostError, match="nothing was published"):
        read(2, name="wide", progress=kill)
    assert len(seen[0]) == 2
    assert list(read.folder.iterdir()) == []
    until("the sessions to be gone", lambda: not sessions())


def test_the_time_of_the_snapshot_is_that_of_all_readers(read: Reading, sessions: Callable[[], Sequence[int]]):
    end = time.monotonic() + 1.5
    with pytest.raises(SourceError, match="ended after max_snapshot_seconds = 1,"):
        read(
            2,
            name="wide",
            progress=lambda *_: until("the time to be over", lambda: time.monotonic() > end) and None,
            source_limits={"max_snapshot_seconds": 1},
        )
    until("the sessions to be gone", lambda: not sessions())


def test_as_many_connections_read_as_the_server_gives(read: Reading, execute: Execute, database: str):
    role = f"limited_{database}"
    execute([f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 2", f"GRANT SELECT ON wide TO {role}"])
    limited = Reading(replace(read.options, user=role), read.folder)
    assert limited(4, name="wide") == read(1, name="wide")
    assert "wide: fewer than 3 connections read the detail rows. PostgreSQL at" in limited.said[1]
    assert "nothing was published" not in limited.said[1]
    execute([f"DROP OWNED BY {role}", f"DROP ROLE {role}"])


def test_one_reads_while_an_alter_waits_for_the_table(read: Reading, connect: Connect):
    before = read(1, name="skewed")
    altering = connect()

    class Altering(Arrivals):
        def begin(self, extract: Extract) -> None:
            self.thread = threading.Thread(target=self.alter)
            self.thread.start()
            with connect().cursor() as cursor:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'skewed'::regclass"
                until("the ALTER to wait", lambda: cursor.execute(waiting) or cursor.fetchone() != (0,))  # type: ignore[func-returns-value]

        def alter(self) -> None:
            with altering.cursor() as cursor:
                cursor.execute("ALTER TABLE skewed ALTER n SET DEFAULT 0")

    alter = Altering()
    assert read(3, name="skewed", arrivals=alter) == before
    alter.thread.join()
    assert "skewed: fewer than 2 connections read the detail rows." in read.said[1]
    assert "SQLSTATE 55P03" in read.said[1]


def test_a_pooler_by_transactions_is_no_obstacle(read: Reading, source_postgres: PostgresServer):
    with transaction_pooler(source_postgres.server.socket_folder / ".s.PGSQL.5432") as port:
        pooled = Reading(replace(read.options, socket=None, host="127.0.0.1", port=port), read.folder)
        assert pooled.in_ranges(3, name="nested") == read(1, name="nested")


@pytest.mark.slow
def test_a_table_of_many_rows_is_read_in_ranges_of_some_megabytes(
    execute: Execute, options: SourceOptions, tmp_path: Path
):
    wide = TABLES["wide"].replace(f"(1, {ROWS})", "(1, 200000)")
    execute([f"CREATE TABLE large AS {wide}", "ALTER TABLE large ADD PRIMARY KEY (id)", "ANALYZE large"])
    read = Reading(options, tmp_path)
    assert read.in_ranges(4, name="large") == read(1, name="large")
    read(2, name="large")
    assert read.said == ["large: the detail rows are read in 9 ranges."]
