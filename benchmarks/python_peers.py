"""The same jobs with other Python libraries, each in the best way that its documentation describes for large tables.

Imports stand inside the functions: most of these libraries are in an environment of their own.
"""

import asyncio
import csv
import importlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_SELECT = "SELECT * FROM orders"
_FEW = f"{_SELECT} WHERE id <= 1000"
_CHUNK = 50_000


def _library(name: str) -> Any:
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
    pymysql = _library("pymysql")
    with pymysql.connect(**address, charset="utf8mb4", cursorclass=_library("pymysql.cursors").SSCursor) as connection:
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
    pandas, sqlalchemy = _library("pandas"), _library("sqlalchemy")
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
    polars = _library("polars")

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


# From the server to the client


def read_pymysql(address: dict[str, Any], folder: str) -> Callable[[], int]:
    """Read tuples of Python objects, one by one."""
    return _rehearsed(lambda sql, _: sum(1 for _ in _pymysql_rows(address, sql)) - 1, folder)


def read_asyncmy(address: dict[str, Any], folder: str, *, converters: bool = True) -> Callable[[], int]:
    """Read with PyMySQL's protocol in Cython: tuples of Python objects, or of text without converters."""
    asyncmy, cursors = _library("asyncmy"), _library("asyncmy.cursors")

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
    connector = _library("mysql.connector")

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
    connectorx = _library("connectorx")

    def run(sql: str, _: Path) -> int:
        reader = connectorx.read_sql(_uri(address), sql, return_type="arrow_stream", batch_size=10_000)
        return sum(batch.num_rows for batch in reader)

    return _rehearsed(run, folder)


# From the extract to a file


def _rendered(path: str, rehearsal: str, folder: str, run: Callable[[str, Path], int]) -> Callable[[], int]:
    def once(source: str) -> int:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            return run(source, Path(directory) / "out.xlsx")

    once(rehearsal)
    return lambda: once(path)


def _batches(source: str) -> Iterator[Any]:
    parquet = _library("pyarrow.parquet")
    with parquet.ParquetFile(source) as file:
        yield from file.iter_batches(16_384)


def render_polars(path: str, rehearsal: str, folder: str, format_name: str) -> Callable[[], int]:
    """Stream CSV and lines of JSON."""
    polars = _library("polars")

    def run(source: str, target: Path) -> int:
        frame = polars.scan_parquet(source)
        if format_name == "csv":
            frame.sink_csv(target, include_bom=True)
        else:
            frame.sink_ndjson(target)
        return int(polars.scan_parquet(source).select(polars.len()).collect().item())

    return _rendered(path, rehearsal, folder, run)


def render_duckdb(path: str, rehearsal: str, folder: str, format_name: str) -> Callable[[], int]:
    """Use COPY ... TO."""
    duckdb = _library("duckdb")
    options = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY true"}[format_name]

    def run(source: str, target: Path) -> int:
        with duckdb.connect() as connection:
            return int(connection.execute(f"COPY (SELECT * FROM '{source}') TO '{target}' ({options})").fetchone()[0])

    return _rendered(path, rehearsal, folder, run)


def render_pandas(path: str, rehearsal: str, folder: str, format_name: str) -> Callable[[], int]:
    """Use to_csv, to_json, and to_excel with its faster engine."""
    pandas = _library("pandas")

    def run(source: str, target: Path) -> int:
        frame = pandas.read_parquet(source)
        if format_name == "csv":
            frame.to_csv(target, index=False, encoding="utf-8-sig")
        elif format_name == "json":
            frame.to_json(target, orient="records", force_ascii=False, date_format="iso")
        else:
            frame.to_excel(target, index=False, engine="openpyxl")
        return len(frame)

    return _rendered(path, rehearsal, folder, run)


def render_openpyxl(path: str, rehearsal: str, folder: str) -> Callable[[], int]:
    """Use the write-only mode: one row at a time, and none is kept."""
    openpyxl = _library("openpyxl")

    def run(source: str, target: Path) -> int:
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("detail")
        rows = 0
        for batch in _batches(source):
            if rows == 0:
                sheet.append(batch.schema.names)
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sheet.append(row)
            rows += batch.num_rows
        book.save(target)
        return rows

    return _rendered(path, rehearsal, folder, run)


def render_xlsxwriter(path: str, rehearsal: str, folder: str) -> Callable[[], int]:
    """Use constant_memory: one row at a time, and none is kept."""
    xlsxwriter = _library("xlsxwriter")

    def run(source: str, target: Path) -> int:
        book = xlsxwriter.Workbook(str(target), {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"})
        sheet = book.add_worksheet("detail")
        rows = 0
        for batch in _batches(source):
            if rows == 0:
                sheet.write_row(0, 0, batch.schema.names)
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                rows += 1
                sheet.write_row(rows, 0, row)
        book.close()
        return rows

    return _rendered(path, rehearsal, folder, run)
