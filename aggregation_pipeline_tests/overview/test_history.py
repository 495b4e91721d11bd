"""Batches by day and hour, as rows say, at the edges of days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.buckets import NO_COUNTS
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, postgres_repository
from aggregation_pipeline.overview.history import joined, read_days, read_recent, usual_of, whole_days
from aggregation_pipeline_tests.batch_jobs.any_rows import insert, our_row, run_id, write
from aggregation_pipeline_tests.support.runs import new_batch_jobs

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=SHANGHAI)
KIND, PROD = "data_collection", "prod"
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def engine(postgres: "PostgresServer") -> sa.Engine:
    return new_batch_jobs(postgres.fresh_database())


@pytest.fixture
def rows(engine: sa.Engine) -> Iterator[BatchJobRepository]:
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    with postgres_repository(engine, 60) as opened:
        yield opened


def test_an_empty_deployment_has_days_and_hours_without_batches(rows: BatchJobRepository):
    recent = read_recent(rows, KIND, PROD, NOON, SHANGHAI)
    assert (recent.today.date, len(recent.today.starts)) == (date(2026, 11, 20), 24)
    assert (recent.today.tables, recent.today.totals, recent.open_batches, recent.open_tables) == ({}, {}, (), {})
    days = whole_days(joined(read_days(rows, KIND, PROD, NOON, SHANGHAI), recent.days).totals, NOON, SHANGHAI, 30)
    assert [day.date for day in days] == [date(2026, 10, 22) + timedelta(days=number) for number in range(30)]
    assert {day.counts for day in days} == {NO_COUNTS}
    assert usual_of(days) == usual_of([]) == (None, None)


def test_a_batch_belongs_to_the_day_and_hour_of_the_projects_clock(engine: sa.Engine, rows: BatchJobRepository):
    midnight = datetime(2026, 11, 20, tzinfo=SHANGHAI)
    moments = [midnight - SECOND, midnight, midnight + timedelta(hours=24) - SECOND, midnight + timedelta(hours=24),
               midnight - timedelta(days=1), midnight - timedelta(days=1) - SECOND]  # fmt: skip
    write(engine, [our_row(number, moment.astimezone(UTC)) for number, moment in enumerate(moments)])
    recent = read_recent(rows, KIND, PROD, NOON, SHANGHAI)
    assert {day: counts.completed for day, counts in recent.days.totals.items()} == {
        date(2026, 11, 19): 2,
        date(2026, 11, 20): 2,
    }
    assert {hour: counts.rows for hour, counts in recent.today.tables["orders"].items()} == {0: 7, 23: 7}
    past = read_days(rows, KIND, PROD, NOON, SHANGHAI)
    assert {day.day: counts.completed for day, counts in past.tables["orders"].items()} == {18: 1, 19: 2, 20: 2}


def test_on_the_day_that_the_clock_goes_back_both_hours_stand_apart(engine: sa.Engine, rows: BatchJobRepository):
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    write(engine, [our_row(number, first.astimezone(UTC) + timedelta(hours=number)) for number in range(3)])
    today = read_recent(rows, KIND, PROD, datetime(2026, 10, 25, 12, tzinfo=BERLIN), BERLIN).today
    assert len(today.starts) == 25
    assert [(today.starts[hour].hour, today.starts[hour].fold) for hour in sorted(today.totals)] == [
        (2, 0),
        (2, 1),
        (3, 0),
    ]


def test_what_was_read_later_counts_and_rows_that_are_gone_are_gone(engine: sa.Engine, rows: BatchJobRepository):
    at = NOON.astimezone(UTC)
    write(engine, [our_row(1, at - timedelta(days=3)), our_row(2, at - timedelta(days=1)), our_row(3, at, "pending")])
    past = read_days(rows, KIND, PROD, NOON, SHANGHAI)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM batch_jobs WHERE id = %s", (run_id(2),))
    write(engine, [our_row(3, at, "failed")])
    found = joined(past, read_recent(rows, KIND, PROD, NOON, SHANGHAI).days)
    assert {day.day: (counts.completed, counts.failed, counts.open) for day, counts in found.totals.items()} == {
        17: (1, 0, 0),
        20: (0, 1, 0),
    }
    assert (found.newest["orders"].id, found.newest["orders"].status) == (run_id(3), "failed")
    assert found.tables["orders"].keys() == found.totals.keys()


def test_the_usual_day_leaves_out_today_and_days_without_a_batch(engine: sa.Engine, rows: BatchJobRepository):
    for back in range(9):
        if back != 4:
            at = NOON - timedelta(days=back)
            moments = {"created_at": at, "started_at": at, "completed_at": at + back * SECOND}
            texts = {name: moment.isoformat() for name, moment in moments.items()}
            insert(engine, **texts, status="completed", total_items=100 * back)
    days = whole_days(read_days(rows, KIND, PROD, NOON, SHANGHAI).totals, NOON, SHANGHAI, 30)
    usual_rows, usual_seconds = usual_of(days)
    assert usual_rows is not None
    assert usual_seconds is not None
    assert (usual_rows.low, usual_rows.median, usual_rows.high, usual_rows.days) == (250.0, 500.0, 650.0, 7)
    assert (usual_seconds.median, usual_of(days[:-1])[0]) == (5.0, None)
