"""A run whose process is gone is found, and one whose connection was cut is not taken for dead."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline.batch_jobs import liveness
from aggregation_pipeline.batch_jobs.liveness import SILENT, WATCHED, fail_the_dead, watched
from aggregation_pipeline_tests.batch_jobs.runs import FakeTable, create, open_instance
from aggregation_pipeline_tests.waiting import until

WORKERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'aggregation run {} lives'"


@pytest.fixture(scope="module")
def url(postgres: Any) -> str:
    return str(postgres.fresh_database())


@pytest.fixture
def instance(url: str) -> Iterator[DagsterInstance]:
    with open_instance(url) as opened:
        opened.wipe()
        yield opened


@pytest.fixture
def run(instance: DagsterInstance) -> DagsterRun:
    return create(instance, [FakeTable("baidu", 1)], DagsterEventType.RUN_START)


def look(instance: DagsterInstance, url: str) -> list[str]:
    """As the reconciler does it."""
    return fail_the_dead(instance, instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED])), url)


def tags(instance: DagsterInstance, run: DagsterRun) -> dict[str, str]:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return dict(found.tags)


def test_a_worker_that_died_is_found_at_the_second_look_and_one_that_lives_is_left_alone(
    instance: DagsterInstance, run: DagsterRun, url: str, monkeypatch: pytest.MonkeyPatch
):
    with watched(instance, run, url):
        assert tags(instance, run)[WATCHED] == run.run_id
        assert look(instance, url) == []
        assert tags(instance, run)[SILENT] == ""
    assert look(instance, url) == [], "it may be about to say that it has ended"
    assert look(instance, url) == [], "its patience is not over"
    monkeypatch.setattr(liveness, "PATIENCE", timedelta(0))
    assert look(instance, url) == [run.run_id]
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == DagsterRunStatus.FAILURE


def test_a_run_with_a_copy_of_anothers_tags_is_not_taken_for_dead_before_it_works(
    instance: DagsterInstance, run: DagsterRun, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(liveness, "PATIENCE", timedelta(seconds=0))
    # What the UI gives to a run that is executed again.
    instance.add_run_tags(run.run_id, {WATCHED: "the run before", SILENT: "2026-11-01T00:00:00+00:00"})
    assert look(instance, url) == look(instance, url) == []
    monkeypatch.setattr(liveness, "PATIENCE", timedelta(seconds=20))
    with watched(instance, run, url):
        assert tags(instance, run)[SILENT] == ""


def test_a_worker_whose_connection_is_cut_shows_again_that_it_lives(
    instance: DagsterInstance, run: DagsterRun, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(liveness, "_BEAT_SECONDS", 0.3)
    workers = sa.text(WORKERS.format(run.run_id[:8]))
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with watched(instance, run, url), engine.connect() as connection:
        (pid,) = connection.execute(workers).scalars()
        # As if it had been seen in the moment after the cut.
        instance.add_run_tags(run.run_id, {SILENT: datetime.now(UTC).isoformat()})
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        until("another session", lambda: set(connection.execute(workers).scalars()) - {pid}, 20)
        until("its lock", lambda: look(instance, url) == [] and tags(instance, run)[SILENT] == "", 20)
        assert look(instance, url) == []


def test_a_run_goes_on_where_nobody_can_be_shown_that_it_lives(instance: DagsterInstance, run: DagsterRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(liveness, "PATIENCE", timedelta(seconds=0.2))
    with watched(instance, run, "postgresql://nobody@127.0.0.1:1/none"):
        assert WATCHED not in tags(instance, run)
