"""From the server with other Python libraries, each in the best way that its documentation describes for large tables.

Imports stand inside the functions: most of these libraries are in an environment of their own.
"""

import asyncio
import csv
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_SELECT = "SELECT * FROM orders"
_FEW = f"{_SELECT} WHERE id <= 1000"
COPY_OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1",
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
}


def library(name: str) -> Any:
    """Import a library of the peers' environment."""
    return importlib.import_module(name)


def _rehearsed(run: Callable[[str, Path], int], folder: str) -> Callable[[], int]:
    def once(sql: str) -> int:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            return run(sql, Path(directory) / "out")

    once(_FEW)
    return lambda: once(f"{_SELECT} ORDER BY id")


def _uri(address: dict[str, Any]) -> str:
    return f"mysql://{address['user']}@{address['host']}:{address['port']}/{address['database']}"


def _pymysql_rows(address: dict[str, Any], sql: str) -> Iterator[Any]:
    pymysql = library("pymysql")
    with pymysql.connect(**address, charset="utf8mb4", cursorclass=library("pymysql.cursors").SSCursor) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        yield [column[0] for column in cursor.description]
        yield from cursor


# From the server to a file


def pymysql_csv(address: dict[str, Any], folder: str) -> Callable[[], int]:
    """Do what everybody writes first, but well: rows are streamed and never kept."""

    def run(sql: str, target: Path) -> int:
        with target.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            count = -1
            for row in _pymysql_rows(address, sql):
                writer.writerow(row)
                count += 1
        return count

    return _rehearsed(run, folder)


def _pandas_chunks(address: dict[str, Any], sql: str, *, chunk: int | None) -> Iterator[Any]:
    pandas, sqlalchemy = library("pandas"), library("sqlalchemy")
    url = f"mysql+pymysql://{address['user']}@{address['host']}:{address['port']}/{address['database']}?charset=utf8mb4"
    engine = sqlalchemy.create_engine(url)
    with engine.connect().execution_options(stream_results=chunk is not None) as connection:
        # coerce_float=False keeps DECIMAL; the default would make it a float.
        frames = pandas.read_sql(sqlalchemy.text(sql), connection, coerce_float=False, chunksize=chunk)
        yield from [frames] if chunk is None else frames


def pandas_csv(address: dict[str, Any], folder: str, chunk: int | None = None) -> Callable[[], int]:
    """Use read_sql and to_csv, in one go or in chunks."""

    def run(sql: str, target: Path) -> int:
        rows = 0
        with target.open("w", encoding="utf-8-sig", newline="") as file:
            for frame in _pandas_chunks(address, sql, chunk=chunk):
                frame.to_csv(file, index=False, header=rows == 0)
                rows += len(frame)
        return rows

    return _rehearsed(run, folder)


def polars_connectorx(address: dict[str, Any], folder: str, format_name: str) -> Callable[[], int]:
    """Use the fastest reader that polars offers."""
    polars = library("polars")

    def run(sql: str, target: Path) -> int:
        frame = polars.read_database_uri(sql, _uri(address), engine="connectorx")
        if format_name == "csv":
            frame.write_csv(target, include_bom=True)
        elif format_name == "json":
            frame.write_json(target)
        else:
            frame.write_parquet(target, compression="zstd", compression_level=1)
        return int(frame.height)

    return _rehearsed(run, folder)


def duckdb_connectorx(address: dict[str, Any], folder: str, format_name: str) -> Callable[[], int]:
    """Stream Arrow batches into DuckDB's own writers."""
    connectorx, duckdb = library("connectorx"), library("duckdb")

    def run(sql: str, target: Path) -> int:
        batches = connectorx.read_sql(_uri(address), sql, return_type="arrow_stream", batch_size=50_000)
        with duckdb.connect() as connection:
            connection.register("source", batches)
            copied = connection.execute(f"COPY (SELECT * FROM source) TO '{target}' ({COPY_OPTIONS[format_name]})")
            return int(copied.fetchone()[0])

    return _rehearsed(run, folder)


def dlt_connectorx(address: dict[str, Any], folder: str, format_name: str) -> Callable[[], int]:
    """Run a pipeline from the table to files in a folder, with the backend that dlt calls its fastest."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    dlt, database = library("dlt"), library("dlt.sources.sql_database")

    def run(sql: str, target: Path) -> int:
        def few(query: Any, table: Any) -> Any:
            return query.where(table.c.id <= 1_000) if "<=" in sql else query.order_by(table.c.id)

        engine_url = _uri(address).replace("mysql:", "mysql+pymysql:")
        table = database.sql_table(
            engine_url,
            table="orders",
            backend="connectorx",
            backend_kwargs={"conn": _uri(address), "return_type": "arrow"},
            query_adapter_callback=few,
        )
        pipeline = dlt.pipeline(
            "orders",
            pipelines_dir=str(target.with_name("state")),
            destination=dlt.destinations.filesystem(str(target)),
            dataset_name="orders",
        )
        pipeline.run(table, loader_file_format=format_name)
        return int(pipeline.last_trace.last_normalize_info.row_counts["orders"])

    return _rehearsed(run, folder)


# From the server to the client


def read_pymysql(address: dict[str, Any], folder: str) -> Callable[[], int]:
    """Read tuples of Python objects, one by one."""
    return _rehearsed(lambda sql, _: sum(1 for _ in _pymysql_rows(address, sql)) - 1, folder)


def read_asyncmy(address: dict[str, Any], folder: str, *, converters: bool = True) -> Callable[[], int]:
    """Read with PyMySQL's protocol in Cython: tuples of Python objects, or of text without converters."""
    asyncmy, cursors = library("asyncmy"), library("asyncmy.cursors")

    async def fetch(sql: str) -> int:
        connection = await asyncmy.connect(**address, charset="utf8mb4", **({} if converters else {"conv": {}}))
        rows = 0
        async with connection.cursor(cursors.SSCursor) as cursor:
            await cursor.execute(sql)
            while batch := await cursor.fetchmany(2_000):
                rows += len(batch)
        connection.close()
        return rows

    return _rehearsed(lambda sql, _: asyncio.run(fetch(sql)), folder)


def read_connector(address: dict[str, Any], folder: str) -> Callable[[], int]:
    """Read with Oracle's own driver and its C extension; values stay bytes, which is the least it can do."""
    connector = library("mysql.connector")

    def run(sql: str, _: Path) -> int:
        connection = connector.connect(**address, use_pure=False, raw=True)
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = 0
        while batch := cursor.fetchmany(2_000):
            rows += len(batch)
        connection.close()
        return rows

    return _rehearsed(run, folder)


def read_connectorx(address: dict[str, Any], folder: str) -> Callable[[], int]:
    """Read a stream of Arrow batches, made in Rust."""
    connectorx = library("connectorx")

    def run(sql: str, _: Path) -> int:
        reader = connectorx.read_sql(_uri(address), sql, return_type="arrow_stream", batch_size=10_000)
        return sum(batch.num_rows for batch in reader)

    return _rehearsed(run, folder)
