"""What is measured of this project: its core functions, called as an asset calls them."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.source_kinds import dialect_of
from aggregation_pipeline.config.sql.in_use import using
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.mysql.arrow_rows import ArrowRows
from aggregation_pipeline.source.mysql.described_queries import describe_queries
from aggregation_pipeline.source.mysql.prepared_session import prepare_session
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.options import NO_PASSWORD, SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from benchmarks.data import TABLE

DETAIL: dict[str, Any] = {"select_fields": ["*"]}
AGGREGATE: dict[str, Any] = {
    "group_by": ["DATE(created_at)", "city", "status"],
    "aggregations": [
        {"function": "COUNT", "alias": "orders"},
        {"function": "COUNT DISTINCT", "field": "user_id", "alias": "buyers"},
        {"function": "SUM", "field": "amount", "alias": "amount"},
        {"function": "AVG", "field": "amount", "alias": "mean"},
    ],
}
_REHEARSAL = "id <= 1000"
_TIME = datetime(2026, 11, 20, 18, tzinfo=UTC)
_ZONE = ZoneInfo("Asia/Shanghai")


def statement(entry: dict[str, Any], table: str = TABLE) -> str:
    """Return the SQL of an entry with one dataset. The raw client gets the same SQL."""
    return build_queries(_entry(entry, table), primary_key=("id",))[0].sql


def extract(address: dict[str, Any], entry: dict[str, Any], folder: str, table: str = TABLE) -> Callable[[], int]:
    """Measure reading from the server into the extract; `address` may name a kind of source."""
    options = SourceOptions(**address)
    kind = kind_of(options)

    def run(keys: dict[str, Any]) -> int:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            request = _request(keys, table, options.kind)
            return kind.read_extract(request, options, Path(directory)).datasets[0].rows

    run({**entry, "where": _REHEARSAL})
    return lambda: run(entry)


def arrow_rows(address: dict[str, Any]) -> Callable[[], int]:
    """Measure reading from the server into Arrow, and no further."""
    options = SourceOptions(**address)

    def run(keys: dict[str, Any]) -> int:
        request = _request(keys)
        with open_session(options, logical_time=_TIME, zone=_ZONE) as session:
            prepared = prepare_session(session, request)
            (described,) = describe_queries(prepared.session, prepared.shards[0])
            return sum(
                batch.num_rows
                for batch in ArrowRows(prepared.session, described, ZeroDates("null"), NO_PASSWORD).batches()
            )

    run({**DETAIL, "where": _REHEARSAL})
    return lambda: run(DETAIL)


def export(address: dict[str, Any], formats: list[str], folder: str, table: str = TABLE) -> Callable[[], int]:
    """Measure from the server to a published window: read, render, store with extract and manifest."""
    run = _rehearsed_export(address, formats, folder, table)
    return lambda: sum(file.rows for file in run().files)


def snapshot(address: dict[str, Any], formats: list[str], folder: str) -> Callable[[], dict[str, float]]:
    """Measure how long the same keeps its snapshot open."""
    run = _rehearsed_export(address, formats, folder, TABLE)
    return lambda: {"seconds": run().seconds["read"]}


def _rehearsed_export(
    address: dict[str, Any], formats: list[str], folder: str, table: str
) -> Callable[[], ExportedWindow]:
    options = SourceOptions(**address)

    def run(keys: dict[str, Any]) -> ExportedWindow:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            root = Path(name)
            destination = Destination(
                FolderStore(root / "store"), "bench", "run", FormatOptions(), root / "temp", NoLock()
            )
            return export_window(_request(keys, table), options, formats, destination, SilentObserver())

    run({**DETAIL, "where": _REHEARSAL})
    return lambda: run(DETAIL)


def save_extract(address: dict[str, Any], rows: int, path: str) -> Callable[[], int]:
    """Make the extract that all renderers get. This is not measured."""

    def run() -> int:
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as directory:
            read = read_extract(
                _request({**DETAIL, "where": f"id <= {rows}"}), SourceOptions(**address), Path(directory), _silent
            )
            shutil.move(read.datasets[0].path, path)
            return read.datasets[0].rows

    return run


def rendering(path: str, rehearsal: str, format_name: str, folder: str) -> Callable[[], int]:
    """Measure rendering the extract into a file."""

    def run(source: str) -> int:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            return sum(
                file.rows for file in render(format_name, _stored(Path(source)), Path(directory), FormatOptions())
            )

    run(rehearsal)
    return lambda: run(path)


def _stored(path: Path) -> Extract:
    with pq.ParquetFile(path) as file:
        dataset = Dataset(
            "detail",
            path,
            file.metadata.num_rows,
            file.schema_arrow,
            truncated=False,
            sql="SELECT",
            order="primary key (id)",
        )
    return Extract(TABLE, "2026-11-21", (dataset,), "snapshot")


def _request(keys: dict[str, Any], table: str = TABLE, kind: str = "mysql") -> ReadRequest:
    return ReadRequest(_entry(keys, table, kind), "2026-11-21", _TIME, _ZONE)


def _entry(keys: dict[str, Any], table: str, kind: str = "mysql") -> TableEntry:
    with using(dialect_of(kind)):
        return TableEntry.model_validate({"name": table, "source_kind": kind, **keys})


def _silent(_dataset: str, _done: int, _total: int | None) -> None:
    pass
