"""Rows of batch_jobs: those that we write, and those that any other program may have written."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs.projection import project
from aggregation_pipeline.batch_jobs.writer import record_all
from aggregation_pipeline.runs.model import BatchJobRow, Event, Failed, Finished, Owner, Planned, RunInfo, Started

PROD = Owner("prod", "one")
STATUSES = ("completed", "failed", "in_progress", "pending")
_DAGSTER = {"completed": "SUCCESS", "failed": "FAILURE", "in_progress": "STARTED", "pending": "QUEUED"}


def run_id(number: int) -> str:
    return str(UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC834) % 2**128))


def our_row(
    number: int, created: datetime, status: str = "completed", tables: Sequence[str] = ("orders",)
) -> BatchJobRow:
    """Return the row of a run of these tables, as the mirror projects it; the last table of a failed run has failed."""
    began = created + timedelta(seconds=1) if status != "pending" else None
    ended = created + timedelta(seconds=11) if status in {"completed", "failed"} else None
    run = RunInfo(run_id(number), "aggregate", _DAGSTER[status], created, ended or began or created, began, ended)
    events: list[Event] = [Planned(position + 1, table) for position, table in enumerate(tables)]
    if began:
        events += [Started(position + 101, table) for position, table in enumerate(tables)]
    good = tables if status == "completed" else tables[:-1] if status == "failed" else ()
    for position, table in enumerate(good):
        file = {"table": table, "format": "csv", "dataset": "detail", "uri": f"file:///exports/{table}/2026-11-20/{table}.csv",
                "rows": 7, "bytes": 70, "crc64": "1"}  # fmt: skip
        events.append(Finished(position + 201, table, None, 7, table=table, seconds=0.5, bytes=70, files=(file,)))
    if status == "failed":
        events.append(Failed(301, ended or created, f"aggregate_{tables[-1]}", tables[-1], "It broke. Mend it."))
    names = {table: table for table in tables}
    return project(run, events, owner=PROD, job_type="data_collection", platforms=names, names=names)


def write(engine: sa.Engine, rows: Sequence[BatchJobRow]) -> None:
    with engine.connect() as connection:
        assert all(outcome is True for outcome in record_all(connection, rows).values())


def insert(engine: sa.Engine, **columns: Any) -> None:
    """Insert a row as another program does. Moments may be PostgreSQL's own words for them."""
    columns.setdefault("job_type", "data_collection")
    if "metadata" in columns:
        metadata = columns["metadata"]
        columns["metadata"] = metadata if isinstance(metadata, str) else json.dumps(metadata)
    types = {"metadata": "jsonb", "id": "uuid", "platforms_processed": "text[]"}
    types |= dict.fromkeys(("created_at", "started_at", "completed_at"), "timestamptz")
    values = ", ".join(f"CAST(:{name} AS {types[name]})" if name in types else f":{name}" for name in columns)
    with engine.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO batch_jobs ({', '.join(columns)}) VALUES ({values})"), columns)


# Texts that jsonb takes.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FILE = st.dictionaries(st.sampled_from(["table", "format", "uri", "rows", "bytes", "crc64"]), JSON) | JSON
RESULT = (
    st.dictionaries(
        st.sampled_from(["status", "items", "tables", "partitions", "seconds", "bytes", "error", "files_left_out"]),
        JSON,
    ).flatmap(lambda result: st.lists(FILE, max_size=3).map(lambda files: {**result, "files": files}))
    | JSON
)
# Beside whatever is JSON: metadata that looks like ours and is not.
METADATA = JSON | st.fixed_dictionaries(
    {},
    optional={
        "planned": st.lists(JSON, max_size=3) | JSON,
        "results": st.dictionaries(TEXT, RESULT, max_size=3) | JSON,
        "errors": st.lists(st.dictionaries(st.sampled_from(["error", "table", "at", "step"]), JSON) | JSON) | JSON,
        "timing": st.dictionaries(st.sampled_from(["wait_seconds", "run_seconds"]), JSON) | JSON,
        "summary": st.dictionaries(st.just("rows"), JSON) | JSON,
        "dagster": st.dictionaries(st.sampled_from(["deployment", "run_id", "partition"]), JSON) | JSON,
        "mirror_error": JSON,
    },
)
MOMENT = (
    st.sampled_from(
        [
            "2026-11-20T04:00:00Z",
            "infinity",
            "-infinity",
            "0044-03-15 BC",
            "20000-01-01",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2026-11-20T12:00:00.123456+08",
        ]
    )
    | st.none()
)
ROW = st.fixed_dictionaries(
    {"metadata": METADATA.map(json.dumps), "created_at": MOMENT, "started_at": MOMENT, "completed_at": MOMENT},
    optional={
        "job_type": st.sampled_from(["data_collection", "other", "数据"]),
        "status": st.sampled_from(STATUSES) | TEXT | st.none(),
        "total_items": st.integers(-(2**31), 2**31 - 1) | st.none(),
        "platforms_processed": st.lists(TEXT | st.none(), max_size=3) | st.none(),
    },
)
