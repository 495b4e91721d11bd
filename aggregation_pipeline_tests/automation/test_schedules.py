"""A tick carries its moment into the run, and does not pile up on a run that is still going."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Definitions,
    RunRequest,
    SkipReason,
    asset,
    build_schedule_context,
    define_asset_job,
    instance_for_test,
)

from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.run_requests import is_more_than_daily
from aggregation_pipeline.automation.schedules import build_schedule
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.runs.logical_time import logical_time, named_window
from aggregation_pipeline.runs.tags import LOGICAL_TIME_TAG, WINDOW_TAG

ZONE = ZoneInfo("Asia/Shanghai")
TICK = datetime.fromisoformat("2026-11-20T02:00:00+08:00")


@asset
def anything() -> None: ...


JOB = define_asset_job("aggregate", selection=AssetSelection.all())


def evaluate(instance: DagsterInstance, cron: str) -> RunRequest | SkipReason:
    schedule = build_schedule(Group("aggregate", (), (cron,), ZONE, None))
    repository = Definitions(assets=[anything], jobs=[JOB], schedules=[schedule]).get_repository_def()
    context = build_schedule_context(instance=instance, scheduled_execution_time=TICK, repository_def=repository)
    result = repository.get_schedule_def(schedule.name).evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else SkipReason(result.skip_message)


@pytest.mark.parametrize(
    ("cron", "window"),
    [("0 2 * * *", "2026-11-20"), ("0 * * * *", "2026-11-20T0200"), ("0 2,14 * * *", "2026-11-20T0200")],
)
def test_a_tick_names_its_moment_and_its_window(cron, window):
    with instance_for_test() as instance:
        request = evaluate(instance, cron)
        assert isinstance(request, RunRequest)
        assert request.tags[LOGICAL_TIME_TAG] == "2026-11-19T18:00:00+00:00"
        assert request.tags[WINDOW_TAG] == window
        assert request.run_key == TICK.isoformat()
        run = DagsterRun("aggregate", tags=request.tags)
        moment = logical_time(run, instance)
        assert (moment, named_window(run.tags, moment, ZONE)) == (TICK, window)


def test_a_manual_run_stands_for_its_creation_and_a_repeated_one_for_the_first():
    with instance_for_test() as instance:
        first = instance.add_run(DagsterRun("aggregate"))
        again = instance.add_run(DagsterRun("aggregate", root_run_id=first.run_id, parent_run_id=first.run_id))
        record = instance.get_run_record_by_id(first.run_id)
        assert record is not None
        created = record.create_timestamp
        assert logical_time(first, instance) == logical_time(again, instance) == created
        assert named_window(first.tags, created, ZONE) == created.astimezone(ZONE).strftime("%Y-%m-%dT%H%M")


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
def test_a_tick_is_skipped_while_the_job_still_runs(status):
    with instance_for_test() as instance:
        run = instance.add_run(DagsterRun("aggregate", status=status))
        skipped = evaluate(instance, "0 2 * * *")
        assert isinstance(skipped, SkipReason)
        assert run.run_id in str(skipped.skip_message)


def test_a_tick_comes_after_a_run_that_failed_and_beside_another_job():
    with instance_for_test() as instance:
        instance.add_run(DagsterRun("aggregate", status=DagsterRunStatus.FAILURE))
        instance.add_run(DagsterRun("other", status=DagsterRunStatus.STARTED))
        assert isinstance(evaluate(instance, "0 2 * * *"), RunRequest)


def test_schedules_run_by_default_in_the_configured_zone():
    schedule = build_schedule(Group("aggregate", (), ("0 2 * * *",), ZONE, None))
    assert (schedule.default_status, schedule.execution_timezone) == (DefaultScheduleStatus.RUNNING, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("cron", "more"), [("0 2 * * *", False), ("30 3 * * 1", False), ("0 * * * *", True), ("*/5 2 * * *", True)]
)
def test_a_cron_that_can_tick_twice_a_day_is_known(cron, more):
    assert is_more_than_daily((cron,)) is more


@pytest.mark.parametrize(
    "window", ["zzz", "", "2026-13-01", "2026-1-5", "latest", "2026-11-20T14:00", "9999-12-31", "2099-01-01T0000"]
)
def test_a_tag_that_names_no_window_is_refused_with_what_is_expected(window: str):
    run = DagsterRun("aggregate", tags={WINDOW_TAG: window})
    with pytest.raises(
        ConfigError,
        match=r"the run's tag aggregation/window: (.* is no name of a window. Expected a day|.* lies in the future)",
    ):
        named_window(run.tags, TICK, ZONE)


@pytest.mark.parametrize("moment", ["zzz", "", "2026-11-20T02:00:00", "2099-01-01T00:00:00+08:00"])
def test_a_tag_that_is_no_moment_is_refused_with_what_is_expected(moment: str):
    run = DagsterRun("aggregate", tags={LOGICAL_TIME_TAG: moment})
    with (
        instance_for_test() as instance,
        pytest.raises(ConfigError, match=r"aggregation/logical_time: .*(Expected one like|future)"),
    ):
        logical_time(run, instance)
