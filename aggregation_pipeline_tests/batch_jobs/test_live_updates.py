"""A run writes its row itself when it begins and when it ends, and no failure of batch_jobs reaches it."""

import functools
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance

from aggregation_pipeline.batch_jobs.deleted_runs import DELETED
from aggregation_pipeline.batch_jobs.live_updates import LiveUpdates
from aggregation_pipeline.batch_jobs.mirror import mirror_runs, owner_of, row_of
from aggregation_pipeline.batch_jobs.reconcile import reconcile
from aggregation_pipeline.batch_jobs.repository import OpenRepository, postgres_repository
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.model import BatchJobRow
from aggregation_pipeline_tests.support.runs import JOB_TYPE, FakeTable, create, report, rows

PLATFORMS = {"baidu": "baidu"}
BAIDU = FakeTable("baidu", 30)


def live_updates(open_repository: OpenRepository) -> LiveUpdates:
    return LiveUpdates(open_repository, lambda: None, read)


def read(instance: DagsterInstance, run_id: str) -> BatchJobRow | None:
    return row_of(instance, run_id, owner=owner_of(instance, "prod"), platforms=PLATFORMS, job_type=JOB_TYPE)


def repository_of(engine: sa.Engine) -> OpenRepository:
    return functools.partial(postgres_repository, engine)


def reconcile_once(instance: DagsterInstance, engine: sa.Engine) -> None:
    owner = owner_of(instance, "prod")
    with postgres_repository(engine, 60) as opened:
        mirror = functools.partial(
            mirror_runs, instance, repository=opened, owner=owner, platforms=PLATFORMS, job_type=JOB_TYPE
        )
        reconcile(instance, opened, mirror, owner=owner, watermark=datetime.now(UTC) - timedelta(hours=1))


def test_a_run_that_is_deleted_before_anybody_looks_has_its_row_and_ends_as_deleted(
    dagster_instance: DagsterInstance, engine: sa.Engine
):
    run = create(dagster_instance, [BAIDU], DagsterEventType.RUN_START)
    live_updates(repository_of(engine)).start(dagster_instance, run.run_id)
    assert rows(engine)[run.run_id].status == "in_progress"
    dagster_instance.delete_run(run.run_id)
    # Its process does not know, and goes on.
    report(dagster_instance, run, DagsterEventType.RUN_SUCCESS)
    reconcile_once(dagster_instance, engine)
    row = rows(engine)[run.run_id]
    assert (row.status, row.metadata["errors"][-1]["error"]) == ("failed", DELETED)


def test_a_success_that_is_deleted_before_anybody_looks_stays_completed(
    dagster_instance: DagsterInstance, engine: sa.Engine
):
    run = create(dagster_instance, [BAIDU], DagsterEventType.RUN_START)
    live_updates(repository_of(engine)).start(dagster_instance, run.run_id)
    report(dagster_instance, run, DagsterEventType.RUN_SUCCESS)
    written = rows(engine)[run.run_id]
    assert written.status == "completed"
    reconcile_once(dagster_instance, engine)
    assert rows(engine)[run.run_id] == written, "the reconciler reads the same from it"
    dagster_instance.delete_run(run.run_id)
    reconcile_once(dagster_instance, engine)
    assert rows(engine)[run.run_id] == written


@pytest.mark.slow
def test_a_batch_jobs_that_hangs_costs_a_run_time_only_at_its_beginning_and_at_its_end(
    dagster_instance: DagsterInstance,
):
    # Connections are taken, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ada:secret@127.0.0.1:{silent.getsockname()[1]}/shop"
        run = create(dagster_instance, [BAIDU], DagsterEventType.RUN_START)
        began = time.monotonic()
        to_nobody = functools.partial(
            postgres_repository, create_engine(url, application_name="aggregation test", connect_timeout=2)
        )
        live_updates(to_nobody).start(dagster_instance, run.run_id)
        for _ in range(5):
            report(dagster_instance, run, DagsterEventType.RUN_START)
        report(dagster_instance, run, DagsterEventType.RUN_SUCCESS)
        assert time.monotonic() - began < 8, "two connections of two seconds"


@pytest.mark.parametrize("error", [ValueError("of anybody"), OSError(28, "No space left on device")])
def test_no_error_of_a_write_reaches_the_run(dagster_instance: DagsterInstance, engine: sa.Engine, error: Exception):
    asked = list[str]()

    def fail(_instance: DagsterInstance, run_id: str) -> BatchJobRow | None:
        asked.append(run_id)
        raise error

    run = create(dagster_instance, [BAIDU], DagsterEventType.RUN_START)
    LiveUpdates(repository_of(engine), lambda: None, fail).start(dagster_instance, run.run_id)
    report(dagster_instance, run, DagsterEventType.RUN_SUCCESS)
    # When it began, and when it ended.
    assert asked == [run.run_id] * 2


def test_events_that_take_longer_to_read_than_a_write_may_take_are_written(
    dagster_instance: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregation_pipeline.batch_jobs.live_updates.WRITE_SECONDS", 1.0)

    def read_slowly(instance: DagsterInstance, run_id: str) -> BatchJobRow | None:
        time.sleep(1.5)
        return read(instance, run_id)

    run = create(dagster_instance, [BAIDU], DagsterEventType.RUN_START)
    LiveUpdates(repository_of(engine), lambda: None, read_slowly).start(dagster_instance, run.run_id)
    assert rows(engine)[run.run_id].status == "in_progress"
