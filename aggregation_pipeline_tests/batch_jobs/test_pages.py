"""Pages of batch_jobs and its figures, whatever the table holds."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs import page_queries, pages
from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.bucket_query import BUCKETS
from aggregation_pipeline.batch_jobs.pages import PageFilter, Position
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, postgres_repository
from aggregation_pipeline_tests.batch_jobs.any_rows import ROW, STATUSES, insert, our_row, run_id, write
from aggregation_pipeline_tests.support.paths import REPOSITORY

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
OURS = PageFilter("data_collection")


@contextmanager
def opened(engine: sa.Engine) -> Iterator[BatchJobRepository]:
    with postgres_repository(engine, 60) as rows:
        yield rows


def ids(rows: Sequence[Any]) -> list[str]:
    return [str(row["id"]) for row in rows]


def every_page(rows: BatchJobRepository, wanted: PageFilter, limit: int) -> list[str]:
    """Return the ids of all pages."""
    found: list[str] = []
    after: Position | None = None
    while True:
        page = rows.read_page(wanted, after, limit)
        assert len(page.rows) <= limit
        found += ids(page.rows)
        if page.end is None:
            return found
        after = Position.from_text(page.end.to_text())
        assert after == page.end


@pytest.fixture
def history(engine: sa.Engine) -> sa.Engine:
    """Sixty runs, three at each moment, every fourth with two tables."""
    write(
        engine,
        [
            our_row(
                number,
                NOON + timedelta(minutes=number // 3),
                STATUSES[number % 4],
                ("orders", "users") if number % 4 == 1 else ("orders",),
            )
            for number in range(60)
        ],
    )
    insert(engine, job_type="other", created_at=(NOON + timedelta(minutes=3)).isoformat(), status="completed")
    return engine


@pytest.mark.parametrize("limit", [1, 7, 20, 59, 60, 100])
def test_pages_have_every_row_once_the_newest_first(history: sa.Engine, limit: int):
    with opened(history) as rows:
        found = every_page(rows, OURS, limit)
        assert len(found) == 60
        assert found == sorted(found, key=lambda each: (order_of(each), UUID(each)), reverse=True)
        assert len(every_page(rows, PageFilter(), limit)) == 61


def order_of(row_id: str) -> int:
    return next(number // 3 for number in range(60) if run_id(number) == row_id)


def test_a_row_that_comes_while_somebody_turns_pages_moves_nothing(history: sa.Engine):
    with opened(history) as rows:
        first = rows.read_page(OURS, None, 10)
        write(history, [our_row(99, NOON + timedelta(hours=9))])
        second = rows.read_page(OURS, first.end, 10)
        assert not {*ids(first.rows)} & {*ids(second.rows)}
        assert ids(first.rows) + ids(second.rows) == every_page(rows, OURS, 21)[1:21]


def test_filters_by_status_table_type_and_time(history: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    with opened(history) as rows:
        assert {
            row["status"] for row in rows.read_page(PageFilter("data_collection", ("failed",)), None, 100).rows
        } == {"failed"}
        open_ones = PageFilter("data_collection", ("pending", "in_progress"))
        assert len(every_page(rows, open_ones, 4)) == 30
        users = PageFilter("data_collection", platform="users", entry="users")
        assert {*every_page(rows, users, 4)} == {run_id(number) for number in range(1, 60, 4)}
        assert every_page(rows, PageFilter("data_collection", platform="users", entry="orders"), 4) == []
        some = PageFilter("data_collection", since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=4))
        assert {*every_page(rows, some, 4)} == {run_id(number) for number in range(6, 12)}
        assert len(every_page(rows, PageFilter("other"), 5)) == 1
        assert every_page(rows, PageFilter("none"), 5) == []
        # Where few rows are looked at in one go, nothing is lost.
        monkeypatch.setattr(pages, "_SCANNED_METADATA", 3)
        monkeypatch.setattr(pages, "_SCANNED_ROWS", 2)
        assert len(every_page(rows, users, 4)) == 15
        monkeypatch.setattr(pages, "_FILL_SECONDS", 0.0)
        assert len(every_page(rows, open_ones, 4)) == 30


def test_figures_count_what_runs_and_how_the_last_days_went(history: sa.Engine):
    with opened(history) as rows:
        found = rows.figures("data_collection", NOON + timedelta(minutes=4))
        assert (found.running, found.queued, found.completed, found.failed) == (15, 15, 12, 12)
        assert (found.avg_items, found.avg_seconds) == (7.0, 10.0)
        assert found.oldest == NOON + timedelta(minutes=4)
        nothing = rows.figures("none", NOON)
        assert (nothing.running, nothing.completed, nothing.avg_items, nothing.oldest) == (0, 0, None, None)


def test_what_another_program_has_left_open_counts_as_running_for_a_day_only(engine: sa.Engine):
    now = datetime.now(UTC)
    for hours, metadata in ((1, None), (23, {"users_items": 3}), (25, None), (25, "[]"), (900, {"dagster": 1})):
        for status in ("in_progress", "pending"):
            created = (now - timedelta(hours=hours)).isoformat()
            insert(engine, status=status, created_at=created, **({"metadata": metadata} if metadata else {}))
    for number, status in enumerate(("in_progress", "pending")):
        write(engine, [our_row(number + 1, now - timedelta(days=3), status)])
    with opened(engine) as rows:
        found = rows.figures("data_collection", now - timedelta(days=7))
    assert (found.running, found.queued) == (3, 3)


def test_a_batch_is_found_by_the_beginning_of_its_id(history: sa.Engine):
    with opened(history) as rows:
        for length in (4, 8, 9, 13, 36):
            assert run_id(7) in ids(rows.list_rows(RowFilter(id=run_id(7)[:length])))
        assert ids(rows.list_rows(RowFilter(id=run_id(7)))) == [run_id(7)]
        for wrong in ("0" * 36, "ffff-ffff", "f" * 36, run_id(7).replace("-", ""), "a---"):
            assert rows.list_rows(RowFilter(id=wrong)) == []


@pytest.mark.parametrize(
    "metadata", ["1e400", "1" + "0" * 5000, "[" * 5000 + "]" * 5000, '{"results": ' + "[" * 3000 + "]" * 3000 + "}"]
)
def test_numbers_and_nesting_that_python_cannot_read_do_not_break_a_page(engine: sa.Engine, metadata: str):
    insert(engine, metadata=metadata, created_at=NOON.isoformat())
    with opened(engine) as rows:
        (row,) = rows.read_page(OURS, None, 5).rows
        assert (row["planned"], row["rows"]) == (None, None)


@pytest.fixture(scope="module")
def shared(postgres: Any) -> sa.Engine:
    from aggregation_pipeline_tests.support.runs import new_batch_jobs

    return new_batch_jobs(postgres.fresh_database())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(others=st.lists(ROW, min_size=1, max_size=5))
@pytest.mark.slow
def test_rows_of_other_programs_never_break_a_page_a_figure_or_ours(shared: sa.Engine, others: list[dict[str, Any]]):
    with shared.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    write(shared, [our_row(1, NOON)])
    for row in others:
        insert(shared, **row)
    with opened(shared) as rows:
        for wanted in (
            OURS,
            PageFilter(),
            PageFilter(None, STATUSES),
            PageFilter(None, platform="orders", entry="orders"),
        ):
            assert run_id(1) in every_page(rows, wanted, 2)
        assert rows.figures("data_collection", NOON - timedelta(days=1)).completed >= 1
        assert len(rows.list_rows(RowFilter(limit=100))) == len(others) + 1


def test_supabase_has_the_same_queries():
    text = (REPOSITORY / "sql" / "record_batch_job.sql").read_text(encoding="utf-8")
    queries = {"page": page_queries.PAGE, "figures": page_queries.FIGURES, "buckets": BUCKETS}
    for name, query in ((f"{word}_of_batch_jobs", query) for word, query in queries.items()):
        body = re.sub(r"(?<![:\w]):([a-z_]+)", r"\1", query)
        found = re.search(rf"FUNCTION public.{name}\(.*?\$\$(.*?)\$\$", text, re.DOTALL)
        assert found is not None
        assert found[1] == body, f"the body of {name} is not the query of page_queries.py"
