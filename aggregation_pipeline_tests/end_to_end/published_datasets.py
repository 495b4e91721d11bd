"""What was published of a dataset of generated expressions, as DuckDB and the csv module read it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.mysql.variables import SQL_MODE
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.end_to_end.every_type import FailsOnWarning, quoted
from aggregation_pipeline_tests.support.every_expression import (
    REFUSED,
)
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@dataclass(frozen=True)
class Source:
    """The table `t` on one server, and what was found to be taken there."""

    server: MySQLServer
    database: str
    types: dict[str, tuple[str, Sequence[str]]]

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Columns and expressions that no file can be made of here."""
        known = REFUSED.get(self.server.name, {})
        return [(column, written.format(c=quoted(column))) for written, columns in known.items() for column in columns]

    @property
    def settings(self) -> list[str]:
        zone = "Asia/Shanghai" if "named zones" in self.server.capabilities else "+08:00"
        moment = LOGICAL_TIME.timestamp()
        variables = f"time_zone = '{zone}', timestamp = {moment}, group_concat_max_len = 1000000"
        return [f"SET SESSION sql_mode = '{SQL_MODE}', {variables}"]


@dataclass(frozen=True)
class Dataset:
    """What was published of one dataset.

    Attributes:
        types: each output's MySQL type as the files have it.
        parquet: rows as DuckDB reads them, decimals beyond its 38 digits as pyarrow does.
        texts: rows as the csv module reads them.
    """

    types: list[str]
    parquet: list[tuple[Any, ...]]
    texts: list[list[str]]


def export(source: Source, folder: Path, **keys: Any) -> Path:
    destination = Destination(FolderStore(folder), "", "run", TableEntry(name="t").options, folder / "temp", NoLock())
    request = ReadRequest(TableEntry.model_validate({"name": "t", **keys}), "2026-11-20", LOGICAL_TIME, ZONE)
    export_window(
        request, options_for(source.server, source.database), ("csv", "parquet"), destination, FailsOnWarning()
    )
    return folder / "t" / "2026-11-20"


def published(window: Path, dataset: str) -> Dataset:
    path = window / f"t.{dataset}.parquet"
    schema = pq.read_schema(path)
    narrow = [field.name for field in schema if not (pa.types.is_decimal(field.type) and field.type.precision > 38)]
    fields = [
        f"epoch_us({quote(name)})" if pa.types.is_timestamp(schema.field(name).type) else quote(name) for name in narrow
    ]
    cells = dict(
        zip(
            narrow,
            zip(
                *duckdb.connect().execute(f"SELECT {', '.join(fields)} FROM read_parquet(?)", [str(path)]).fetchall(),
                strict=True,
            ),
            strict=True,
        )
    )
    wide = [name for name in schema.names if name not in cells]
    cells |= {
        name: tuple(column.to_pylist())
        for name, column in zip(wide, pq.read_table(path, columns=wide).columns, strict=True)
    }
    text = (window / f"t.{dataset}.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows[0] == schema.names
    types = [field.metadata[b"mysql_type"].decode() for field in schema]
    return Dataset(types, list(zip(*(cells[name] for name in schema.names), strict=True)), rows[1:])


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
