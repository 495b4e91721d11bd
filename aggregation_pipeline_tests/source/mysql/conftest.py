"""Fixtures that read a table of instants in the clock that a session chooses."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql import time_zone
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.instants import (
    BERLIN,
    ROWS,
    WINTER,
    Reading,
)
from aggregation_pipeline_tests.support.reading import ignore_progress, options_for


@pytest.fixture
def extract(mysql, database, tmp_path) -> Callable[..., Extract]:
    def run(
        zone: ZoneInfo = BERLIN,
        moment: datetime = WINTER,
        window: TimeRange | None = None,
        zero: str = "null",
        **keys: object,
    ) -> Extract:
        entry = TableEntry.model_validate({"name": "ev", **keys})
        request = ReadRequest(entry, "2026-11-21", moment, zone, zero, partition=window)  # type: ignore[arg-type]
        return read_extract(request, options_for(mysql, database), tmp_path, ignore_progress)

    return run


@pytest.fixture
def reading(extract) -> Reading:
    def run(*arguments: object, **keys: object) -> dict[str, list[dict[str, object]]]:
        return {each.name: pq.read_table(each.path).to_pylist() for each in extract(*arguments, **keys).datasets}

    return run


@pytest.fixture
def events(execute) -> None:
    rows = ", ".join(
        f"({number}, '{at:%Y-%m-%d %H:%M:%S}', '{at:%Y-%m-%d %H:%M:%S}.250000', {at.timestamp():.0f})"
        for number, at in enumerate(ROWS, 1)
    )
    execute(
        [
            "SET time_zone = '+00:00'",
            "CREATE TABLE ev (id INT PRIMARY KEY, t TIMESTAMP NULL, t6 TIMESTAMP(6) NULL, n INT, KEY (t))",
            f"INSERT INTO ev VALUES {rows}",
        ]
    )


@pytest.fixture
def nameless(monkeypatch, mysql, database):
    """A server whose time zone tables are older than the zone's last change."""

    def differ(_session: object) -> str:
        return "the server's time zone tables differ from tzdata for Europe/Berlin, around 2026-03-29"

    monkeypatch.setattr(time_zone, "_server_differs", differ)
