"""From the extract to a file with other Python libraries, each in the best way that its documentation describes."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.python_peers import COPY_OPTIONS, library


def _rendered(path: str, rehearsal: str, folder: str, run: Callable[[str, Path], int]) -> Callable[[], int]:
    def once(source: str) -> int:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            return run(source, Path(directory) / "out.xlsx")

    once(rehearsal)
    return lambda: once(path)


def _batches(source: str) -> Iterator[Any]:
    parquet = library("pyarrow.parquet")
    with parquet.ParquetFile(source) as file:
        yield from file.iter_batches(16_384)


def render_polars(path: str, rehearsal: str, folder: str, format_name: str) -> Callable[[], int]:
    """Stream CSV and lines of JSON."""
    polars = library("polars")

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
    duckdb = library("duckdb")
    options = COPY_OPTIONS[format_name]

    def run(source: str, target: Path) -> int:
        with duckdb.connect() as connection:
            return int(connection.execute(f"COPY (SELECT * FROM '{source}') TO '{target}' ({options})").fetchone()[0])

    return _rendered(path, rehearsal, folder, run)


def render_pandas(path: str, rehearsal: str, folder: str, format_name: str) -> Callable[[], int]:
    """Use to_csv, to_json, and to_excel with its faster engine."""
    pandas = library("pandas")

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
    openpyxl = library("openpyxl")

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
    xlsxwriter = library("xlsxwriter")

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
