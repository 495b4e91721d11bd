"""A small table as the pipeline would hand it over: extract on disk and rendered files."""

import json
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.file_format import RenderedFile

WINDOW = "2026-11-20"


def sample_extract(
    directory: Path, *, table: str = "orders", window: str = WINDOW, rows: int = 3, value: int = 7
) -> Extract:
    directory.mkdir(parents=True, exist_ok=True)
    datasets = []
    counts: dict[Literal["summary", "detail"], int] = {"summary": 1, "detail": rows}
    for name, count in counts.items():
        content = pa.table({"id": pa.array(range(count), pa.int64()), "value": pa.array([value] * count, pa.int64())})
        path = directory / f"{name}.parquet"
        path.unlink(missing_ok=True)  # what was published may be this very file
        pq.write_table(content, path)
        datasets.append(
            Dataset(
                name=name,
                path=path,
                rows=count,
                schema=content.schema,
                truncated=False,
                sql=f"SELECT {name}",
                order="primary key (id)",
            )
        )
    return Extract(table=table, window=window, datasets=tuple(datasets), consistency="snapshot")


def render_json(extract: Extract, directory: Path, *, rows: int | None = None) -> RenderedFile:
    content = {
        dataset.name: [row for batch in dataset.batches() for row in batch.to_pylist()] for dataset in extract.datasets
    }
    expected = sum(dataset.rows for dataset in extract.datasets)
    return _file(
        directory / "all.json",
        f"{extract.table}.json",
        "json",
        "all",
        expected if rows is None else rows,
        json.dumps(content),
    )


def render_csv(extract: Extract, directory: Path) -> list[RenderedFile]:
    files = []
    for dataset in extract.datasets:
        lines = [
            "id,value",
            *(f"{row['id']},{row['value']}" for batch in dataset.batches() for row in batch.to_pylist()),
        ]
        files.append(
            _file(
                directory / f"{dataset.name}.csv",
                f"{extract.table}.{dataset.name}.csv",
                "csv",
                dataset.name,
                dataset.rows,
                "\n".join(lines),
            )
        )
    return files


def _file(path: Path, name: str, kind: str, dataset: str, rows: int, text: str) -> RenderedFile:
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    media_type = {"json": "application/json", "csv": "text/csv"}[kind]
    return RenderedFile(
        path=path,
        name=name,
        format=kind,
        dataset=dataset,  # type: ignore[arg-type]
        rows=rows,
        bytes=path.stat().st_size,
        media_type=media_type,
    )
