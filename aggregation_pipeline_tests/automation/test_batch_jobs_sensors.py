"""The sensors of batch_jobs: fast ones that may lose an event, and one that makes good whatever they lost."""

import functools
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultSensorStatus, SensorDefinition

from aggregation_pipeline.automation import batch_jobs_sensors as sensors_module
from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs.mirror import owner_of
from aggregation_pipeline.batch_jobs.mirror_cursor import MirrorCursor
from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.postgres import run_lock
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.heartbeat import hold_heartbeat
from aggregation_pipeline.runs.tags import IN_PROCESS_TAG
from aggregation_pipeline_tests.support.runs import (
    FakeTable,
    create,
    new_batch_jobs,
    open_instance,
    report,
    rows,
    run,
    tick,
)

PLATFORMS = {"baidu": "baidu", "weibo": "weibo"}
BAIDU = FakeTable("baidu", 30)
DOWN = "postgresql://ada:secret@127.0.0.1:1/shop"


@pytest.fixture(scope="module")
def instance(postgres: Any) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.fixture
def clean(instance: DagsterInstance) -> DagsterInstance:
    """No runs of other tests: a pass looks at all there are."""
    instance.wipe()
    return instance


@pytest.fixture
def engine(postgres: Any) -> sa.Engine:
    return new_batch_jobs(postgres.fresh_database())


def url_of(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def sensors(url: str, deployment: str = "prod", **options: Any) -> dict[str, SensorDefinition]:
    open_repository = functools.partial(postgres_repository, create_engine(url, application_name="aggregation test"))
    return {
        sensor.name: sensor
        for sensor in build_sensors(
            open_repository=open_repository, deployment=deployment, platforms=PLATFORMS, **options
        )
    }


def test_building_the_sensors_needs_no_server_and_all_of_them_run_from_the_start():
    made = sensors(DOWN)
    names = [
        "internal_batch_jobs_queued",
        "internal_batch_jobs_started",
        "internal_batch_jobs_success",
        "internal_batch_jobs_failure",
        "internal_batch_jobs_canceled",
        "internal_batch_jobs_reconcile",
    ]
    assert list(made) == names
    assert {sensor.default_status for sensor in made.values()} == {DefaultSensorStatus.RUNNING}
    assert {sensor.minimum_interval_seconds for sensor in made.values()} == {10}
    # Nobody has to wonder about them between the schedules.
    assert all(
        "internal" in sensor.tags and (sensor.description or "").startswith("Internal, leave it on: ")
        for sensor in made.values()
    )


@pytest.mark.parametrize(
    ("name", "events", "expected"),
    [
        ("internal_batch_jobs_queued", [DagsterEventType.RUN_ENQUEUED], "pending"),
        ("internal_batch_jobs_started", [DagsterEventType.RUN_START], "in_progress"),
        ("internal_batch_jobs_success", [DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS], "completed"),
        ("internal_batch_jobs_failure", [DagsterEventType.RUN_START, DagsterEventType.RUN_FAILURE], "failed"),
        ("internal_batch_jobs_canceled", [DagsterEventType.RUN_CANCELED], "failed"),
    ],
)
def test_each_change_of_status_is_recorded_by_its_sensor(
    clean: DagsterInstance, postgres: Any, name: str, events: list[DagsterEventType], expected: str
):
    engine = sa.create_engine(postgres.fresh_database())
    sensor = sensors(url_of(engine))[name]
    cursor = tick(sensor, clean).cursor
    created = create(clean, [BAIDU], *events)
    (reaction,) = tick(sensor, clean, cursor).dagster_run_reactions
    assert reaction.error is None
    assert {run_id: row.status for run_id, row in rows(engine).items()} == {created.run_id: expected}


def test_an_event_that_a_sensor_lost_while_postgresql_was_down_is_made_good_by_the_reconciler(
    clean: DagsterInstance, engine: sa.Engine
):
    broken, working = sensors(DOWN), sensors(url_of(engine))
    cursor = tick(broken["internal_batch_jobs_success"], clean).cursor
    run_id = create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS).run_id
    lost = tick(broken["internal_batch_jobs_success"], clean, cursor)
    assert "batch_jobs cannot be reached" in lost.dagster_run_reactions[0].error.to_string()
    assert not tick(working["internal_batch_jobs_success"], clean, lost.cursor).dagster_run_reactions, (
        "Dagster does not offer the run again"
    )
    with pytest.raises(MirrorBusyError, match="Check BATCH_JOBS_URL"):
        tick(broken["internal_batch_jobs_reconcile"], clean)
    assert rows(engine) == {}
    caught_up = tick(working["internal_batch_jobs_reconcile"], clean)
    assert caught_up.skip_message == "1 of 1 runs brought up to date in batch_jobs"
    assert rows(engine)[run_id].status == "completed"


def test_a_run_in_somebodys_own_process_is_not_offered_to_the_fast_sensors_but_the_reconciler_finds_it(
    clean: DagsterInstance, engine: sa.Engine
):
    made = sensors(url_of(engine))
    cursor = tick(made["internal_batch_jobs_success"], clean).cursor
    run_id = run(clean, [BAIDU])
    assert not tick(made["internal_batch_jobs_success"], clean, cursor).dagster_run_reactions
    tick(made["internal_batch_jobs_reconcile"], clean)
    assert rows(engine)[run_id].status == "completed"


def test_the_reconciler_creates_the_table_and_records_runs_that_ended_before_it_first_ran(
    clean: DagsterInstance, postgres: Any
):
    run_id = run(clean, [BAIDU])
    engine = sa.create_engine(postgres.fresh_database())
    first = tick(sensors(url_of(engine))["internal_batch_jobs_reconcile"], clean)
    assert first.skip_message.startswith("Table public.batch_jobs created; 1 of 1 runs")
    assert rows(engine)[run_id].total_items == 30


def test_the_reconciler_follows_a_run_through_its_life(clean: DagsterInstance, engine: sa.Engine):
    sensor = sensors(url_of(engine))["internal_batch_jobs_reconcile"]
    created, cursor, seen = create(clean, [BAIDU], DagsterEventType.RUN_ENQUEUED), None, []
    for event in (None, DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS):
        if event:
            report(clean, created, event)
        cursor = tick(sensor, clean, cursor).cursor
        seen.append(rows(engine)[created.run_id].status)
    assert seen == ["pending", "in_progress", "completed"]


def test_a_row_of_another_deployment_stays_as_it_is(clean: DagsterInstance, engine: sa.Engine):
    created = create(clean, [BAIDU], DagsterEventType.RUN_START)
    tick(sensors(url_of(engine), "staging")["internal_batch_jobs_reconcile"], clean)
    report(clean, created, DagsterEventType.RUN_SUCCESS)
    tick(sensors(url_of(engine), "prod")["internal_batch_jobs_reconcile"], clean)
    row = rows(engine)[created.run_id]
    assert (row.status, row.metadata["dagster"]["deployment"]) == ("in_progress", "staging")


def test_an_open_row_of_another_dagster_storage_is_not_closed_though_both_are_called_default(
    clean: DagsterInstance, engine: sa.Engine, postgres: Any
):
    with open_instance(postgres.fresh_database()) as other:
        theirs = create(other, [BAIDU], DagsterEventType.RUN_START).run_id
        tick(sensors(url_of(engine))["internal_batch_jobs_reconcile"], other)
        tick(sensors(url_of(engine))["internal_batch_jobs_reconcile"], clean)
        row = rows(engine)[theirs]
        assert (row.status, row.metadata["dagster"]["instance"]) == ("in_progress", owner_of(other, "prod").instance)
        assert owner_of(other, "prod") != owner_of(clean, "prod") == owner_of(clean, "prod")


def in_own_process(instance: DagsterInstance) -> DagsterRun:
    made = create(instance, [BAIDU], DagsterEventType.RUN_START)
    instance.add_run_tags(made.run_id, {IN_PROCESS_TAG: made.run_id})
    return made


def test_a_run_whose_own_process_died_is_marked_as_failed_and_a_living_one_is_not(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_lock, "PATIENCE_SECONDS", 0.2)
    lives, dead, queued = (in_own_process(clean) for _ in range(3))
    # Executed again from the UI, with a copy of the tags of a run that had a process of its own.
    elsewhere = create(clean, [BAIDU], DagsterEventType.RUN_START, tags={IN_PROCESS_TAG: dead.run_id})
    url = url_of(engine)
    with hold_heartbeat(url, lives.run_id), hold_heartbeat(url, queued.run_id):
        pass_one = tick(sensors(url, locks_url=url)["internal_batch_jobs_reconcile"], clean)
    assert pass_one.skip_message.startswith("4 of 4 runs")
    found = rows(engine)
    assert found[dead.run_id].status == "failed"
    assert "The process of this run is gone" in found[dead.run_id].metadata["errors"][0]["error"]
    assert {found[each.run_id].status for each in (lives, queued, elsewhere)} == {"in_progress"}


def test_rows_are_written_even_when_the_heartbeats_cannot_be_read(clean: DagsterInstance, engine: sa.Engine):
    run_id = in_own_process(clean).run_id
    tick(sensors(url_of(engine), locks_url=DOWN)["internal_batch_jobs_reconcile"], clean)
    assert rows(engine)[run_id].status == "in_progress"


def test_the_cursor_tells_other_processes_how_far_the_mirror_is(clean: DagsterInstance, engine: sa.Engine):
    run(clean, [BAIDU])
    told = json.loads(tick(sensors(url_of(engine))["internal_batch_jobs_reconcile"], clean).cursor)
    assert (told["behind"], told["lag_seconds"], told["retry"]) == (0, 0.0, [])
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs; ALTER TABLE batch_jobs ADD CHECK (status = 'nothing')")
    told = json.loads(tick(sensors(url_of(engine))["internal_batch_jobs_reconcile"], clean).cursor)
    assert (told["behind"], told["lag_seconds"] > 0, len(told["retry"])) == (1, True, 1)


@pytest.mark.parametrize("cursor", [None, MirrorCursor(datetime(2100, 1, 1, tzinfo=UTC)).to_json()])
def test_the_first_look_back_is_as_long_as_the_setting_says_and_one_after_a_clock_that_was_ahead(
    clean: DagsterInstance, engine: sa.Engine, cursor: str | None
):
    run(clean, [BAIDU])
    sensor = sensors(url_of(engine), history=timedelta(minutes=-20))["internal_batch_jobs_reconcile"]
    tick(sensor, clean)
    assert rows(engine) == {}
    tick(sensors(url_of(engine), history=timedelta(days=1))["internal_batch_jobs_reconcile"], clean, cursor)
    assert len(rows(engine)) == 1


def test_after_a_hang_the_other_sensors_do_not_wait_for_batch_jobs_again(clean: DagsterInstance):
    made = sensors(DOWN)
    cursor = tick(made["internal_batch_jobs_success"], clean).cursor
    for _ in range(2):
        create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
    first, second = tick(made["internal_batch_jobs_success"], clean, cursor).dagster_run_reactions
    assert "batch_jobs cannot be reached" in first.error.to_string()
    assert second.error is None, "left to the reconciler"


def test_while_dagsters_own_postgresql_is_away_too_no_tick_fails(clean: DagsterInstance, engine: sa.Engine):
    away, back = sensors(DOWN, locks_url=DOWN), sensors(url_of(engine))
    cursor = tick(away["internal_batch_jobs_success"], clean).cursor
    run_id = create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS).run_id
    (reaction,) = tick(away["internal_batch_jobs_success"], clean, cursor).dagster_run_reactions
    assert reaction.error is None
    skipped = tick(away["internal_batch_jobs_reconcile"], clean)
    assert re.match("batch_jobs cannot be reached .* Rows follow as soon as it answers", skipped.skip_message)
    tick(back["internal_batch_jobs_reconcile"], clean, skipped.cursor)
    assert rows(engine)[run_id].status == "completed"


@pytest.mark.slow
def test_a_frozen_postgresql_holds_a_tick_for_less_than_twenty_seconds(clean: DagsterInstance, server_folder: Path):
    server = start_postgres(server_folder / "frozen", report=print, options=THROWAWAY_OPTIONS)
    try:
        made = sensors(server.url())
        tick(made["internal_batch_jobs_reconcile"], clean)
        run_id = create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS).run_id
        os.kill(server.child.pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(MirrorBusyError):
            tick(made["internal_batch_jobs_reconcile"], clean)
        took = time.monotonic() - began
        os.kill(server.child.pid, signal.SIGCONT)
        assert took < 20
        tick(made["internal_batch_jobs_reconcile"], clean)
        assert rows(create_engine(server.url(), application_name="test"))[run_id].status == "completed"
    finally:
        os.kill(server.child.pid, signal.SIGCONT)
        server.stop()


def test_a_backend_that_freezes_in_the_middle_is_cut_off_in_time(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sensors_module, "TICK_SECONDS", 1.5)
    created = create(clean, [BAIDU], DagsterEventType.RUN_START)
    made = sensors(url_of(engine))
    tick(made["internal_batch_jobs_reconcile"], clean)
    report(clean, created, DagsterEventType.RUN_SUCCESS)
    # Stands in for every wait that statement_timeout (15 s) would end later: here a lock that nobody gives back.
    with engine.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE batch_jobs IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with pytest.raises(MirrorBusyError):
            tick(made["internal_batch_jobs_reconcile"], clean)
        assert time.monotonic() - began < 5
