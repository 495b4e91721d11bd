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

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.run_requests import is_more_than_daily
from aggregation_pipeline.automation.schedules import build_schedule
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.runs.logical_time import logical_time, named_window
from aggregation_pipeline.runs.tags import LOGICAL_TIME_TAG, WINDOW_TAG

ZONE = ZoneInfo("Asia/Shanghai")
TICK = datetime.fromisoformat("2026-11-20T02:00:00+08:00")


@asset
def anything() -> None: ...


JOB = define_asset_job("aggregate", selection=AssetSelection.all())


def evaluate(instance: DagsterInstance, cron: str) -> RunRequest | SkipReason:
    entry = TableEntry.model_validate({"name": "anything"})
    table = ConfiguredTable(entry, ["csv"], lambda: pytest.fail("the source is not asked"), "shop", ZONE)
    schedule = build_schedule(Group("aggregate", (table,), (cron,), ZONE, None))
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
