"""One table compared in a line: ours is published in a folder, the old file lies in another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.comparison.compare import Sides, compare_tables
from aggregation_pipeline.comparison.old.places import old_place
from aggregation_pipeline.comparison.results import TableResult
from aggregation_pipeline.comparison.tables import Options
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE

WINDOW = "2026-11-20"


def entry_of(**keys: Any) -> TableEntry:
    return TableEntry.model_validate({"name": "orders", **keys})


def extract_of(folder: Path, rows: pa.Table, *, dataset: str = "detail", order: str = "primary key (id)") -> Extract:
    """An extract with these rows as its only dataset. Fields may have the metadata `mysql_type`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset}.parquet"
    pq.write_table(rows, path)
    one = Dataset(
        name=dataset,  # type: ignore[arg-type]
        path=path,
        rows=rows.num_rows,
        schema=rows.schema,
        truncated=False,
        sql="SELECT",
        order=order,
    )
    return Extract("orders", WINDOW, (one,), "snapshot")


def compared(
    folder: Path,
    entry: TableEntry,
    extract: Extract,
    old: Path,
    *,
    file: str | None = None,
    source: Any = None,
    zone: ZoneInfo = ZONE,
    **options: Any,
) -> TableResult:
    """Publish the extract, and compare it with the old file in, or at, `old`."""
    store = FolderStore(folder / "exports")
    publish(store, extract, folder / "rendered", run="run", formats="")
    sides = Sides(store, "daily", old_place(str(old), None), file, source, 10, folder / "temp")
    request = ReadRequest(entry, extract.window, LOGICAL_TIME, ZONE)
    chosen = Options(zone=zone, **options)
    (result,) = compare_tables([request], sides, chosen, lambda *_: None).tables
    return result


def old_json(rows: Sequence[Mapping[str, Any]], table: str = "orders") -> dict[str, Any]:
    """What the service's JSON file has for one table."""
    data = {"success": True, "recordCount": len(rows), "data": rows, "metadata": {"schema": [], "totalRecords": 1}}
    return {"timestamp": "2026-11-20T18:00:03.000Z", "tables": {table: data}, "summary": {}, "outputFiles": []}
