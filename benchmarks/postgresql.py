"""`postgresql`: rows of a wide table from PostgreSQL to Parquet, beside other exact ways, and whether memory grows."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import psycopg2

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from benchmarks import ours
from benchmarks.data import Source, rest
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, alone, compare, probe
from benchmarks.peers import DUCKDB_POSTGRES, python_peer
from benchmarks.processor import counted
from benchmarks.registry import Plan

_DATABASE: Final = "bench"
_SLOWER: Final = 1.3
_MORE_ROWS: Final = 4
_PEAK_MB: Final = 290
_OURS: Final = "ours, rows into the extract"
_COPY: Final = "psycopg2 COPY to CSV, pyarrow to parquet"
_DUCKDB: Final = "DuckDB postgres scanner, parquet"
# {0} is a mixing hash of the row's number and of a seed for each column, so that no column follows from another.
_COLUMNS: Final[Sequence[tuple[str, str, str]]] = (
    ("customer_id", "integer", "{0} % 90000"),
    ("quantity", "smallint", "{0} % 20"),
    ("price", "numeric(12,2)", "({0} % 10000000) / 100.0"),
    ("discount", "numeric(5,2)", "CASE WHEN {0} % 10 > 2 THEN ({0} % 9999) / 100.0 END"),
    ("weight", "numeric(10,3)", "({0} % 90000) / 1000.0"),
    ("total", "numeric(18,4)", "{0} / 10000.0"),
    ("rating", "double precision", "({0} % 1000003) / 7.0"),
    ("is_gift", "boolean", "{0} % 5 = 0"),
    ("ordered_on", "date", "DATE '2026-01-01' + ({0} % 90)::int"),
    ("shipped_on", "date", "CASE WHEN {0} % 10 > 2 THEN DATE '2026-01-01' + ({0} % 120)::int END"),
    ("created_at", "timestamptz", "TIMESTAMPTZ '2026-01-01 00:00+08' + ({0} % 7776000) * interval '1 second'"),
    ("updated_at", "timestamptz", "TIMESTAMPTZ '2026-01-01 00:00+08' + {0} * interval '3 ms'"),
    ("pick_up_at", "timestamp", "TIMESTAMP '2026-01-01' + ({0} % 100000) * interval '1 minute'"),
    ("status", "text", "('{{paid,shipped,refunded,pending}}'::text[])[1 + {0} % 4]"),
    ("city", "varchar(40)", "('{{上海,北京,广州,深圳,杭州,成都,武汉,西安}}'::text[])[1 + {0} % 8]"),
    ("code", "text", "md5({0}::text)"),
    ("remark", "text", "CASE WHEN {0} % 10 > 2 THEN repeat('请尽快发货, \"please\"; ', 1 + ({0} % 4)::int) END"),
    ("attributes", "jsonb", "jsonb_build_object('size', {0} % 50, 'colour', 'c' || {0} % 12, 'tags', ARRAY[{0} % 7])"),
)


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare with COPY, for 2 rows in 5 of the MariaDB's; then read four times as many."""
    rows = source.rows * 2 // 5
    folder = str(source.folder)
    with _server(source, report) as server:
        address = {"host": str(server.socket_folder), "port": 5432, "user": "postgres", "database": _DATABASE}
        table, larger = (_filled(address, each) for each in (rows, _MORE_ROWS * rows))
        return [
            *compare(
                f"PostgreSQL, {rows:,} rows x {len(_COLUMNS) + 1} columns",
                _contenders(address, folder, table, peers=plan.peers),
                rounds=plan.rounds,
                # The quotient to DuckDB is then that of two neighbours.
                paired=False,
                report=report,
            ),
            *alone(
                f"PostgreSQL, {_MORE_ROWS * rows:,} rows",
                [_ours(address, folder, larger)],
                rounds=plan.rounds_of(2),
                report=report,
            ),
        ]


def _contenders(address: dict[str, Any], folder: str, table: str, *, peers: bool) -> list[Contender]:
    given: dict[str, Any] = {"address": address, "folder": folder, "table": table}
    slower = (Target("ratio", _SLOWER), *((Target("ratio", _SLOWER, beside=(_DUCKDB,)),) if peers else ()))
    adbc = Contender(
        "ADBC, parquet", probe("postgresql_peers:adbc_parquet", **given), "streamed; NUMERIC as text; ordered"
    )
    duckdb = Contender(
        _DUCKDB,
        python_peer("postgresql_peers:duckdb_parquet", environment=DUCKDB_POSTGRES, **given),
        "streamed; rows in no order",
    )
    copy = Contender(_COPY, probe("postgresql_peers:copy_parquet", **given), "streamed; ordered")
    return [copy, _ours(address, folder, table, *slower), *((duckdb, adbc) if peers else ())]


def _ours(address: dict[str, Any], folder: str, table: str, *targets: Target) -> Contender:
    extract = probe(
        "ours:extract", address={**address, "kind": "postgresql"}, entry=ours.DETAIL, folder=folder, table=table
    )
    note = "counted before, ordered"
    return Contender(_OURS, extract, note, (*targets, Target("peak_rss_mb", _PEAK_MB)), is_ours=True)


@contextlib.contextmanager
def _server(source: Source, report: Callable[[str], None]) -> Iterator[Postgres]:
    # All rows fit into its memory, so that no figure depends on the disk.
    options = {**THROWAWAY_OPTIONS, "shared_buffers": "2GB", "max_wal_size": "8GB"}
    server = start_postgres(source.folder / "postgresql", report=report, options=options)
    try:
        server.execute(f"CREATE DATABASE {_DATABASE}")
        with counted(server.child.pid):
            yield server
    finally:
        server.stop()


def _filled(address: dict[str, Any], rows: int) -> str:
    """Make the table with so many rows, and wait until the server is at rest; return its name."""
    name = f"shop_orders_{rows}"
    columns = ", ".join(f"{column} {kind}" for column, kind, _ in _COLUMNS)
    values = ", ".join(
        f"{sql.format(f'(hashint8extended(id, {seed}) & 2147483647)')}" for seed, (_, _, sql) in enumerate(_COLUMNS, 1)
    )
    with contextlib.closing(psycopg2.connect(**address)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, {columns})")
        cursor.execute(f"INSERT INTO {name} SELECT id, {values} FROM generate_series(1, {rows}) AS id")
        # So that no read has to set hint bits or look at pages for visibility.
        cursor.execute(f"VACUUM (FREEZE, ANALYZE) {name}")
    rest()
    return name
