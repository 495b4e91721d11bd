"""The queries of sql/, on the rows of real runs."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline_tests.batch_jobs.mirrored_tables import BAIDU, PLATFORMS, WEIBO
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import JOB_TYPE, EngineRepository, FakeTable, new_batch_jobs, run

SQL = REPOSITORY / "sql"
# Run by the tests of supabase/ and by test_table.py: they change rights and functions, and give no rows.
STATEMENTS = {"record_batch_job.sql", "grant_anon.sql", "harden_batch_jobs.sql"}


@dataclass(frozen=True)
class Recorded:
    """Rows of real runs: one completed, one failed, one completed forty days ago."""

    engine: sa.Engine
    big: str
    failed: str
    small: str

    def ask(self, name: str, then: str | None = None) -> list[Any]:
        """The rows that a file of sql/ gives, or those of a query after it; what it did is undone."""
        with self.engine.connect() as connection:
            result = connection.exec_driver_sql((SQL / name).read_text(encoding="utf-8"))
            return list(connection.exec_driver_sql(then) if then else result)


@pytest.fixture(scope="module")
def recorded(dagster_instance: DagsterInstance, postgres: Any) -> Recorded:
    def fail(_context: object) -> None:
        raise RuntimeError("no")

    made = Recorded(
        new_batch_jobs(postgres.fresh_database()),
        run(dagster_instance, [BAIDU, WEIBO]),
        run(dagster_instance, [FakeTable("baidu", 5), FakeTable("weibo", action=fail)]),
        run(dagster_instance, [FakeTable("weibo", 1)]),
    )
    owner = owner_of(dagster_instance, "prod")
    for run_id in (made.big, made.failed, made.small):
        mirror_run(
            dagster_instance,
            run_id,
            repository=EngineRepository(made.engine),
            owner=owner,
            platforms=PLATFORMS,
            job_type=JOB_TYPE,
        )
    with made.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE batch_jobs SET created_at = created_at - interval '40 days' WHERE id = :id"),
            {"id": made.small},
        )
    return made


def test_the_query_for_recent_jobs_gives_the_latest_first(recorded: Recorded):
    assert [str(row.id) for row in recorded.ask("recent_jobs.sql")] == [recorded.failed, recorded.big, recorded.small]


def test_the_query_for_completed_jobs_leaves_out_the_failed_one(recorded: Recorded):
    assert [str(row.id) for row in recorded.ask("completed_jobs.sql")] == [recorded.big, recorded.small]


def test_the_query_for_the_biggest_jobs_sorts_by_items(recorded: Recorded):
    found = [(str(row.id), row.total_items) for row in recorded.ask("jobs_with_most_items.sql")]
    assert found == [(recorded.big, 42), (recorded.failed, 5), (recorded.small, 1)]


def test_the_query_for_a_platform_reads_its_items_out_of_the_metadata(recorded: Recorded):
    found = [(str(row.id), row.baidu_items, row.weibo_items) for row in recorded.ask("jobs_of_a_platform.sql")]
    assert found == [(recorded.failed, "5", "0"), (recorded.big, "30", "12")]


def test_the_query_for_the_trend_counts_by_day(recorded: Recorded):
    today, old = recorded.ask("daily_trend.sql")
    assert (today.total_jobs, today.successful, today.failed, float(today.avg_items)) == (2, 1, 1, 23.5)
    assert (today.date - old.date, old.total_jobs, old.successful, float(old.avg_items)) == (
        timedelta(days=40),
        1,
        1,
        1.0,
    )


def test_the_statement_that_clears_old_jobs_takes_only_those_older_than_30_days(recorded: Recorded):
    kept = {str(row.id) for row in recorded.ask("delete_old_jobs.sql", then="SELECT id FROM batch_jobs")}
    assert kept == {recorded.big, recorded.failed}


def test_every_query_of_the_folder_is_run_by_a_test():
    tried = Path(__file__).read_text(encoding="utf-8")
    assert {path.name for path in SQL.glob("*.sql") if f'ask("{path.name}"' not in tried} - STATEMENTS == {
        "create_batch_jobs_table.sql"
    }
