"""Runs that failed before they began are started once more, and no run is started twice."""

import functools
import sys
from typing import Any

import pytest
from dagster import (
    AssetSelection,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    RunsFilter,
    SensorEvaluationContext,
    define_asset_job,
    in_process_executor,
)
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.events import EngineEventData
from dagster._core.instance import DagsterInstance as Instance
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._utils.error import serializable_error_info_from_exc_info

from aggregation_pipeline.automation.lost_runs import SENSOR, build_lost_runs, replace_run
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.model import Failed
from aggregation_pipeline.runs.tags import AUTO_RETRY_RUN_ID_TAG, IN_PROCESS_TAG, REPLACED_RUN_TAG, RUN_KEY_TAG
from aggregation_pipeline_tests.support import runs
from aggregation_pipeline_tests.support.runs import ORIGIN, FakeTable, report

CODE = JobPythonOrigin("aggregate", RepositoryPythonOrigin("python", ModuleCodePointer("module", "defs", None)))
create = functools.partial(runs.create, job_code_origin=CODE)
USERS = FakeTable("users", 3)
REPOSITORY = Definitions(
    assets=[USERS.asset()], jobs=[define_asset_job("aggregate", AssetSelection.all())], executor=in_process_executor
).get_repository_def()
BEFORE = (DagsterEventType.RUN_ENQUEUED, DagsterEventType.RUN_STARTING, DagsterEventType.RUN_FAILURE)
TICK = {
    RUN_KEY_TAG: "2026-11-20T02:00:00+08:00",
    "dagster/schedule_name": "aggregate_schedule",
    "aggregation/window": "2026-11-20",
}


def tick(instance: DagsterInstance, cursor: str | None = None) -> str | None:
    here: Any = {"repository_name": ORIGIN.repository_name, "code_location_origin": ORIGIN.code_location_origin}
    with SensorEvaluationContext(
        None, cursor=cursor, instance=instance, sensor_name=SENSOR, repository_def=REPOSITORY, **here
    ) as context:
        return build_lost_runs().evaluate_tick(context).cursor


def others(instance: DagsterInstance, *known: DagsterRun) -> list[DagsterRun]:
    return [run for run in instance.get_runs() if run.run_id not in {each.run_id for each in known}]


def test_a_run_that_failed_before_it_began_is_queued_once_more_and_not_a_third_time(instance: DagsterInstance):
    earlier = create(instance, [USERS], *BEFORE)
    cursor = tick(instance)
    assert others(instance, earlier) == [], "what failed before the service was there is none of its affairs"
    lost = create(instance, [USERS], *BEFORE, tags=TICK)
    for _ in range(2):
        cursor = tick(instance, cursor)
    (again,) = others(instance, earlier, lost)
    assert again.status == DagsterRunStatus.QUEUED
    assert (again.job_name, again.parent_run_id, again.root_run_id) == ("aggregate", lost.run_id, lost.run_id)
    assert (again.asset_selection, again.remote_job_origin) == (lost.asset_selection, lost.remote_job_origin)
    assert again.tags[REPLACED_RUN_TAG] == lost.run_id
    assert again.tags["aggregation/window"] == "2026-11-20"
    planned = instance.all_logs(again.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    assert len(planned) == 2 + 1
    # The schedule finds what it has launched by its run key, and finds one run.
    assert [run.run_id for run in instance.get_runs(RunsFilter(tags={RUN_KEY_TAG: TICK[RUN_KEY_TAG]}))] == [lost.run_id]
    told = instance.get_run_by_id(lost.run_id)
    assert told is not None
    assert (told.status, told.tags[AUTO_RETRY_RUN_ID_TAG]) == (DagsterRunStatus.FAILURE, again.run_id)
    for event in BEFORE[1:]:
        report(instance, again, event)
    tick(instance, cursor)
    assert len(others(instance, earlier, lost)) == 1


def test_after_a_clock_that_was_ahead_it_is_seen_at_once(instance: DagsterInstance):
    lost = create(instance, [USERS], *BEFORE)
    cursor = tick(instance, '["2100-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"]')
    assert [run.parent_run_id for run in others(instance, lost)] == [lost.run_id]
    assert "2100" not in (cursor or "")


def test_one_that_was_made_and_not_queued_yet_is_queued(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    lost = create(instance, [USERS], *BEFORE)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Instance, "submit_run", killed)
        with pytest.raises(KeyboardInterrupt):
            replace_run(instance, lost, REPOSITORY)
    (made,) = others(instance, lost)
    assert made.status == DagsterRunStatus.NOT_STARTED
    assert replace_run(instance, lost, REPOSITORY) is not None
    assert replace_run(instance, lost, REPOSITORY) is None
    assert [run.status for run in others(instance, lost)] == [DagsterRunStatus.QUEUED]


@pytest.mark.parametrize(
    ("events", "tags"),
    [
        (
            (
                DagsterEventType.RUN_ENQUEUED,
                DagsterEventType.RUN_STARTING,
                DagsterEventType.RUN_START,
                DagsterEventType.RUN_FAILURE,
            ),
            {},
        ),
        ((DagsterEventType.RUN_ENQUEUED, DagsterEventType.RUN_CANCELED), {}),
        (BEFORE, {REPLACED_RUN_TAG: "x"}),
        (BEFORE, {"dagster/will_retry": "true"}),
    ],
)
def test_others_are_left_as_they_are(
    instance: DagsterInstance, events: tuple[DagsterEventType, ...], tags: dict[str, str]
):
    cursor = tick(instance)
    run = create(instance, [USERS], *events, tags=tags)
    tick(instance, cursor)
    assert others(instance, run) == []


def test_a_run_of_a_terminal_is_left_as_it_is(instance: DagsterInstance):
    cursor = tick(instance)
    run = create(instance, [USERS])
    instance.add_run_tags(run.run_id, {IN_PROCESS_TAG: run.run_id})
    report(instance, run, DagsterEventType.RUN_FAILURE)
    tick(instance, cursor)
    assert others(instance, run) == []


def test_a_run_of_what_has_left_the_configuration_does_not_stop_the_sensor(instance: DagsterInstance):
    cursor = tick(instance)
    gone = create(instance, [FakeTable("gone", 1)], *BEFORE)
    lost = create(instance, [USERS], *BEFORE)
    tick(instance, cursor)
    assert lost.run_id in {run.parent_run_id for run in others(instance, lost, gone)}


def test_what_kept_a_run_from_beginning_is_what_its_facts_say(instance: DagsterInstance):
    run = create(instance, [USERS], *BEFORE[:2])
    message = "Tried to start a run on a server after telling it to shut down"
    try:
        raise DagsterLaunchFailedError(message)  # type: ignore[no-untyped-call]
    except DagsterLaunchFailedError:
        error = serializable_error_info_from_exc_info(sys.exc_info())
    instance.report_engine_event(
        "Caught an unrecoverable error while dequeuing the run.", run, EngineEventData.engine_error(error)
    )
    instance.report_run_failed(run)
    failed = [
        event for event in run_events(instance, run.run_id, {"users": "users"}) or () if isinstance(event, Failed)
    ]
    assert [event.error.partition(" (")[0] for event in failed] == [f"DagsterLaunchFailedError: {message}"]
