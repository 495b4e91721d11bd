"""Parquet files as a kind of source: a source is a folder, a table a file in it.

This module is loaded with aggregation.yaml, so it imports neither DuckDB nor what reads.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.kind import HealthCheck, SourceKind
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import DatasetPlan, ReadPlan
from aggregation_pipeline.source.request import SILENT, Listener, ReadRequest
from aggregation_pipeline.source.table_state import StateQuestion, TableState
from parquet_source.dialect import DUCKDB

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Extract


_MODULES: Final = {"duckdb": "parquet-source"}


class ParquetKind(SourceKind):
    """A folder of Parquet files, read by DuckDB in this process."""

    name = "parquet"
    title = "Parquet"
    dialect = DUCKDB
    # `database` is the folder. No server, no account. It can do none of what not every kind can: SourceKind refuses it.
    required = ("database",)
    modules = _MODULES

    def read_extract(
        self,
        request: ReadRequest,
        options: SourceOptions,
        directory: Path,
        listener: Listener = SILENT,
    ) -> "Extract":
        """Read the datasets; see `reading.py`."""
        from parquet_source.reading import read_extract

        path = file_of(options, request.entry.source_table)
        return read_extract(request, path, directory, listener.progress, options.mask_salt)

    def plan_read(self, request: ReadRequest, options: SourceOptions, plan: ReadPlan) -> None:
        """Let DuckDB describe the statements, which reads no row."""
        from parquet_source.reading import described

        plan.server, plan.snapshot = "DuckDB", True
        for query in described(request, file_of(options, request.entry.source_table)):
            masks = {name: rule for name, rule in request.entry.mask.items() if name in query.columns}
            plan.datasets.append(DatasetPlan(query.name, query.sql, query.order, query.limit, query.columns, masks))

    def health_check(self, options: SourceOptions, seconds: int) -> HealthCheck:
        """Look whether the folder is there."""
        return _FolderCheck(Path(options.database))

    def table_states(
        self, options: SourceOptions, zone: ZoneInfo, questions: Sequence[StateQuestion]
    ) -> Iterator[TableState | SourceError]:
        """Yield what each file says of itself."""
        import pyarrow.parquet as pq

        for asked in questions:
            try:
                path = file_of(options, asked.table)
                found = path.stat()
                changed = datetime.fromtimestamp(found.st_mtime, UTC)
                yield TableState(pq.read_metadata(path).num_rows, found.st_size, changed)
            except SourceError as error:
                yield error


class _FolderCheck:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self) -> None:
        if not self._folder.is_dir():
            raise SourceError(f"there is no folder {self._folder}: check DB_NAME, or `database` of the source")

    def close(self) -> None:
        """Nothing is open."""


def file_of(options: SourceOptions, table: TableName) -> Path:
    """Return the file of a table; `archive.orders` is `archive/orders.parquet`.

    Raises:
        SourceError: there is no such file in the folder.
    """
    folder = Path(options.database).resolve()
    path = folder.joinpath(*filter(None, table)).with_name(f"{table.name}.parquet").resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise SourceError(f"there is no file for the table {table} in {options.database}")
    return path


PARQUET_KIND: Final = ParquetKind()
