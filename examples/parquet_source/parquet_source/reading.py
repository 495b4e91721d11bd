"""Reads a window of an entry from a Parquet file."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import SecretStr

from aggregation_pipeline.config.columns import ALL_COLUMNS, COUNT_ROWS, Aggregation, Column
from aggregation_pipeline.config.entry_query import output_sql
from aggregation_pipeline.config.sql.expressions import split_direction, to_sql
from aggregation_pipeline.config.sql.group_conditions import with_outputs
from aggregation_pipeline.config.sql.trees import returns_cell_values
from aggregation_pipeline.errors import RowCountError, SnapshotError, SourceError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.lineage import with_column_metadata
from aggregation_pipeline.source.masking import hash_cells, partial_text
from aggregation_pipeline.source.parquet_sink import ParquetSink
from aggregation_pipeline.source.request import Progress, ReadRequest
from aggregation_pipeline.source.time_range import wall_time
from parquet_source.dialect import DUCKDB

# Types that arrive in Arrow as files can show them. Values of any other are read as text.
_KEPT: Final = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "FLOAT", "DOUBLE", "DATE", "VARCHAR")
_BATCH_ROWS: Final = 20_000


@dataclass(frozen=True)
class Query:
    """One dataset: `columns` are the types by DuckDB's names, `shown` the SQL of each."""

    name: Literal["summary", "detail"]
    sql: str
    order: str
    limit: int | None
    columns: Mapping[str, str]
    shown: Mapping[str, str]


def described(request: ReadRequest, path: Path) -> list[Query]:
    """Return the statements of an entry, which DuckDB has understood.

    Raises:
        SourceError: it has not.
    """
    with _opened(request, path) as connection:
        return _queries(connection, request)


def read_extract(request: ReadRequest, path: Path, directory: Path, progress: Progress, salt: SecretStr) -> Extract:
    """Read all datasets into `directory`.

    Raises:
        SnapshotError: the file was replaced meanwhile.
        SourceError: DuckDB refuses a statement.
        RowCountError: the rows that came are not as many as DuckDB counted.
    """
    before, written = path.stat(), list[Path]()
    try:
        with _opened(request, path) as connection:
            datasets = []
            for query in _queries(connection, request):
                written.append(directory / f"{query.name}.parquet")
                datasets.append(_read(connection, request, query, written[-1], progress, salt))
        _require_same(before, path)
    except BaseException:
        for each in written:
            each.unlink(missing_ok=True)
        raise
    entry = request.entry
    return Extract(
        entry.name,
        request.window,
        tuple(datasets),
        "snapshot",
        columns_fingerprint=entry.columns_fingerprint,
        masks_fingerprints=entry.masks_fingerprints[0],
        source=entry.source or "",
    )


def _require_same(before: os.stat_result, path: Path) -> None:
    after = path.stat()
    if (before.st_ino, before.st_mtime_ns, before.st_size) != (after.st_ino, after.st_mtime_ns, after.st_size):
        raise SnapshotError(f"{path.name} was replaced while it was read; the next run reads the new one")


@contextmanager
def _opened(request: ReadRequest, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that has this one table, and can reach no other file."""
    with closing(duckdb.connect(config={"enable_external_access": "false"})) as connection:
        connection.execute(f"SET TimeZone = '{request.zone.key}'")
        connection.execute("SET lock_configuration = true")
        connection.register(request.entry.source_table.name, ds.dataset(path, format="parquet"))
        try:
            yield connection
        except duckdb.Error as error:
            # The first line names columns and functions; what follows may quote values.
            raise SourceError(f"{request.entry.name}: DuckDB says: {str(error).splitlines()[0]}") from error


def _queries(connection: duckdb.DuckDBPyConnection, request: ReadRequest) -> list[Query]:
    entry = request.entry
    table = DUCKDB.quote(entry.source_table.name)
    rows = f"FROM {table}{_where(request)}"
    queries = []
    if "summary" in entry.datasets:
        figures = entry.aggregations or (() if entry.group_by else (COUNT_ROWS,))
        outputs = [*entry.group_by, *figures]
        keys = ", ".join(str(place) for place in range(1, len(entry.group_by) + 1))
        meanings = {output.name.casefold(): output_sql(output) for output in outputs}
        having = f" HAVING {with_outputs(entry.having, meanings, dialect=DUCKDB)}" if entry.having else ""
        grouped = f"{rows}{f' GROUP BY {keys}' if keys else ''}{having}"
        queries.append(_query(connection, request, "summary", outputs, grouped, keys))
    if "detail" in entry.datasets:
        outputs = _fields(connection, request, table)
        items = [split_direction(item) for item in entry.order_by or ()]
        order = ", ".join(f"{to_sql(column, DUCKDB)} {way}".strip() for column, way in items)
        queries.append(_query(connection, request, "detail", outputs, rows, order))
    return queries


def _fields(connection: duckdb.DuckDBPyConnection, request: ReadRequest, table: str) -> list[Column | Aggregation]:
    """The columns of the detail rows; '*' stands for those of the file."""
    if all(field.expr != ALL_COLUMNS for field in request.entry.select_fields):
        return [*request.entry.select_fields]
    names = [name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]
    return [Column(expr=DUCKDB.quote(name), alias=name) for name in names]


def _where(request: ReadRequest) -> str:
    conditions = [f"({request.entry.where})"] if request.entry.where else []
    if (cut := request.partition) is not None:
        column = DUCKDB.quote(cut.column)
        start, end = (
            DUCKDB.literal("datetime", wall_time(moment, cut.column_zone).isoformat(" "))
            for moment in (cut.start, cut.end)
        )
        conditions.append(f"{column} >= {start} AND {column} < {end}")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _query(
    connection: duckdb.DuckDBPyConnection,
    request: ReadRequest,
    name: Literal["summary", "detail"],
    outputs: list[Column | Aggregation],
    rows: str,
    order: str,
) -> Query:
    """The statement of a dataset, each output in a form that files can show."""
    dropped = {output for output, rule in request.entry.mask.items() if rule == "drop"}
    # A column of '*' is no expression of the config.
    shown = {output.name: to_sql(str(output.expr), DUCKDB) if output.expr else output_sql(output) for output in outputs}
    terms = ", ".join(f"{sql} AS {DUCKDB.quote(output)}" for output, sql in shown.items())
    described_as = connection.execute(f"DESCRIBE SELECT {terms} {rows}").fetchall()
    types = {str(column): str(kind) for column, kind, *_ in described_as}
    columns = ", ".join(
        DUCKDB.quote(output)
        if kind.startswith((*_KEPT, "TIMESTAMP")) and not kind.endswith("]")
        else f"CAST({DUCKDB.quote(output)} AS VARCHAR) AS {DUCKDB.quote(output)}"
        for output, kind in types.items()
        if output not in dropped
    )
    limit = request.entry.limit
    inner = f"SELECT {terms} {rows}{f' ORDER BY {order}' if order else ''}"
    sql = f"SELECT {columns} FROM ({inner}{'' if limit is None else f' LIMIT {limit + 1}'}) AS read"
    kept = {key: kind for key, kind in types.items() if key not in dropped}
    return Query(name, sql, order or "none", limit, kept, shown)


def _read(
    connection: duckdb.DuckDBPyConnection,
    request: ReadRequest,
    query: Query,
    path: Path,
    progress: Progress,
    salt: SecretStr,
) -> Dataset:
    entry, rules = request.entry, {name.casefold(): rule for name, rule in request.entry.mask.items()}
    ((expected,),) = connection.execute(f"SELECT COUNT(*) FROM ({query.sql}) AS counted").fetchall()
    most = entry.source_limits.max_rows
    if most is not None and expected > most:
        raise SourceError(f"{query.name}: there are {expected:,} rows, over max_rows = {most:,}, so none was read")
    reader = connection.sql(query.sql).to_arrow_reader(_BATCH_ROWS)
    fields = [
        pa.field(field.name, pa.string(), metadata={"source_type": "VARCHAR"})
        if rules.get(field.name.casefold(), "keep") != "keep"
        else field.with_metadata({"source_type": query.columns[field.name]})
        for field in reader.schema
    ]
    schema = with_column_metadata(pa.schema(fields), entry, query.name, {})
    arrived = kept = 0
    with ParquetSink(path, schema) as sink:
        for batch in reader:
            arrived += batch.num_rows
            cells = [
                _masked(batch.column(name), rules.get(name.casefold(), "keep"), query.shown[name], salt)
                for name in schema.names
            ]
            masked = pa.RecordBatch.from_arrays(cells, schema=schema)
            masked = masked if query.limit is None else masked.slice(0, max(0, query.limit - kept))
            kept += masked.num_rows
            sink.write(masked)
            progress(query.name, kept, min(expected, query.limit or expected))
        if arrived != expected:
            raise RowCountError(f"{query.name}: DuckDB counted {expected:,} rows, and {arrived:,} arrived")
    masks = {name: rule for name, rule in entry.mask.items() if name in query.shown and rule != "keep"}
    return Dataset(
        query.name, path, kept, schema, truncated=arrived > kept, sql=query.sql, order=query.order, masks=masks
    )


def _masked(cells: pa.Array, rule: str, sql: str, salt: SecretStr) -> pa.Array:
    if rule == "hash":
        return hash_cells(cells.cast(pa.string()).cast(pa.binary()), salt.get_secret_value().encode())
    if rule == "partial":
        return partial_text(cells.cast(pa.string()), addresses=returns_cell_values(sql, DUCKDB))
    return cells
