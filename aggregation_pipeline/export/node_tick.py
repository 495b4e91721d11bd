"""The files of a tick in the shape of the Node.js service, made from what its tables have published.

The database is not asked again: rows come from the stored extracts, a table at a time. A table that failed has its
error in the JSON file, as there.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.compat import NodeFiles
from aggregation_pipeline.config.sql.table_names import as_segment
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.published import refuse_other_masks
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.node_files.names import NodeFile, NodeFormat, key_of
from aggregation_pipeline.storage.base import JSON_MEDIA_TYPE, ObjectStore
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_extract
from aggregation_pipeline.tempfiles.working_directory import working_directory

_MEDIA_TYPES: Final = {
    "json": JSON_MEDIA_TYPE,
    "csv": "text/csv",
    "excel": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True)
class TickTable:
    """A table of a tick: what it has published, or why it has not.

    `entry` is None for one that cannot be used.
    """

    name: str
    entry: TableEntry | None
    manifest: Manifest | None
    error: str | None = None


@dataclass(frozen=True)
class NodeDestination:
    """Where the files of a tick go, and how they are written.

    Attributes:
        name: that of the files with all tables.
        zone: that of the service's process.
    """

    store: ObjectStore
    temp_dir: Path
    options: NodeFiles
    formats: Sequence[NodeFormat]
    name: str
    zone: ZoneInfo


@dataclass(frozen=True)
class WrittenFile:
    """One file that was stored. `table` is None for one of all tables."""

    key: str
    format: NodeFormat
    table: str | None
    rows: int
    bytes: int


def publish_tick(
    tables: Sequence[TickTable],
    stamp: datetime,
    destination: NodeDestination,
    report: Callable[[str], None] = lambda _: None,
) -> Sequence[WrittenFile]:
    """Write and store the files of the tick at `stamp`; the JSON file is stored last. `report` hears of each table.

    Raises:
        StorageBusyError: the store does not answer, or a table was published anew meanwhile; it can be repeated.
        FormatError: a table has more rows than a sheet of a workbook.
    """
    with working_directory(destination.temp_dir) as directory:
        tick = _Tick(stamp, destination, directory, report)
        with ExitStack() as files:
            tick.begin(files)
            for table in tables:
                tick.add(table)
            return tick.end()


class _Tick:
    """The files of one tick while they are written."""

    def __init__(
        self, stamp: datetime, destination: NodeDestination, directory: Path, report: Callable[[str], None]
    ) -> None:
        from aggregation_pipeline.formats.node.totals import Totals

        self._stamp, self._to, self._directory, self._report = stamp, destination, directory, report
        self._totals = Totals()
        self._written: list[WrittenFile] = []
        self._listed: list[dict[str, Any]] = []

    def begin(self, files: ExitStack) -> None:
        from aggregation_pipeline.formats.node.document import NodeDocument

        stamp, zone = self._stamp, self._to.zone
        self._json_path, self._document = self._directory / "all.json", None
        if "json" in self._to.formats:
            self._json = files.enter_context(self._json_path.open("xb"))
            self._document = NodeDocument(self._json, stamp, zone)
        self._workbook = None
        if "excel" in self._to.formats:
            from aggregation_pipeline.formats.node.workbook import NodeWorkbook

            self._workbook = NodeWorkbook(stamp, zone)

    def add(self, table: TickTable) -> None:
        name, error = table.name, table.error
        rows_folder = self._directory / "rows"
        dataset = None
        try:
            dataset = self._dataset(table, rows_folder)
        except StorageError as problem:
            if problem.retryable:
                raise
            # Its rows have expired, or were read under other masks.
            error = str(problem)
        if dataset is None:
            self._add_failed(name, error or "nothing of it is published in this window")
        else:
            self._add_rows(name, dataset)
        shutil.rmtree(rows_folder, ignore_errors=True)

    def end(self) -> Sequence[WrittenFile]:
        name = self._to.name
        if self._workbook is not None:
            path = self._directory / "all.xlsx"
            self._workbook.save(path, self._totals)
            self._store("excel", None, path, self._totals.records)
        if self._document is not None:
            key = self._key("json", None)
            self._listed.append({"type": "json", "fileName": key.rpartition("/")[2], "filePath": key})
            self._document.end(self._totals, self._listed)
            self._json.close()
            self._store("json", None, self._json_path, self._totals.records)
        self._report(
            f"{name}: {self._totals.successes} tables, {self._totals.records} rows, {self._totals.errors} failed"
        )
        return self._written

    def _dataset(self, table: TickTable, directory: Path) -> Dataset | None:
        """The summary, where the table has one, else the detail rows; None where nothing is stored any more."""
        if table.entry is None or table.error is not None or table.manifest is None:
            return None
        refuse_other_masks(table.entry, table.manifest)
        return fetch_extract(self._to.store, table.manifest, directory).datasets[0]

    def _add_rows(self, name: str, dataset: Dataset) -> None:
        if self._document is not None:
            self._document.add(name, dataset)
        if self._workbook is not None:
            self._workbook.add(name, dataset)
        if "csv" in self._to.formats and dataset.rows:
            self._add_csv(name, dataset)
        self._totals.successes += 1
        self._totals.records += dataset.rows
        self._report(f"{name}: {dataset.rows} rows of its {dataset.name}")

    def _add_csv(self, name: str, dataset: Dataset) -> None:
        from aggregation_pipeline.formats.node.csv_file import write_node_csv

        path = self._directory / "table.csv"
        with path.open("wb") as file:
            write_node_csv(dataset, file, self._to.options.csv, self._to.zone)
        self._store("csv", name, path, dataset.rows)

    def _add_failed(self, name: str, error: str) -> None:
        if self._document is not None:
            self._document.add_failed(name, error)
        self._totals.errors += 1
        self._report(f"{name}: {error}")

    def _key(self, form: NodeFormat, table: str | None) -> str:
        segment = self._to.name if table is None else as_segment(table)
        return key_of(NodeFile(segment, self._stamp, form), self._to.zone, self._to.options.keys)

    def _store(self, form: NodeFormat, table: str | None, path: Path, rows: int) -> None:
        key = self._key(form, table)
        stored = self._to.store.put(key, path, media_type=_MEDIA_TYPES[form])
        self._written.append(WrittenFile(key, form, table, rows, stored.bytes))
        of_table = {} if table is None else {"tableName": table}
        listed = {"type": form, **of_table, "fileName": key.rpartition("/")[2], "filePath": key, "size": stored.bytes}
        self._listed.append(listed)
