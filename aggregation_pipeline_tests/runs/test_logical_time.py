"""The moment and the window that a run stands for."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterRun, instance_for_test

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.runs.logical_time import logical_time, named_window, require_past, tick_tags
from aggregation_pipeline.runs.tags import LOGICAL_TIME_TAG, WINDOW_TAG

ZONE = ZoneInfo("Asia/Shanghai")
TICK = datetime.fromisoformat("2026-11-20T02:00:00+08:00")


@pytest.mark.parametrize(("more_than_daily", "window"), [(False, "2026-11-20"), (True, "2026-11-20T0200")])
def test_a_scheduled_run_reads_its_moment_and_its_window_from_its_tags(more_than_daily: bool, window: str):
    run = DagsterRun("aggregate", tags=tick_tags(TICK, ZONE, more_than_daily=more_than_daily))
    with instance_for_test() as instance:
        assert logical_time(run, instance) == TICK
    assert named_window(run.tags, TICK, ZONE) == window


def test_a_manual_run_stands_for_its_creation_and_a_repeated_one_for_the_first():
    with instance_for_test() as instance:
        first = instance.add_run(DagsterRun("aggregate"))
        again = instance.add_run(DagsterRun("aggregate", root_run_id=first.run_id, parent_run_id=first.run_id))
        record = instance.get_run_record_by_id(first.run_id)
        assert record is not None
        created = record.create_timestamp
        assert logical_time(first, instance) == logical_time(again, instance) == created
        assert named_window(first.tags, created, ZONE) == created.astimezone(ZONE).strftime("%Y-%m-%dT%H%M")


def test_the_record_of_a_run_is_read_once_however_many_tables_it_has(monkeypatch: pytest.MonkeyPatch):
    with instance_for_test() as instance:
        runs = [instance.add_run(DagsterRun("aggregate")) for _ in range(2)]
        moments = [logical_time(run, instance) for run in runs]
        assert moments[0] < moments[1]
        monkeypatch.setattr(instance, "get_run_record_by_id", None)
        assert [logical_time(runs[1], instance) for _ in range(3)] == [moments[1]] * 3
        monkeypatch.undo()
        assert logical_time(runs[0], instance) == moments[0]


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


def test_a_moment_may_be_ahead_by_as_much_as_clocks_differ():
    now = datetime.now(UTC)
    require_past(now + timedelta(minutes=30), where="the tag")
    with pytest.raises(ConfigError, match="the tag lies in the future"):
        require_past(now + timedelta(hours=2), where="the tag")
