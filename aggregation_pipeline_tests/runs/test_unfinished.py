"""Runs that are not finished, where Dagster keeps its runs in SQLite: as in a project with a component of ours."""

from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, StaticPartitionsDefinition

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.unfinished import planned_by_unfinished_runs
from aggregation_pipeline_tests.support.runs import FakeTable, job


def test_what_runs_are_going_to_write_is_known_in_sqlite_too(tmp_path: Path):
    tables = [FakeTable("orders", partitions=StaticPartitionsDefinition(["2026-11-20", "2026-11-21"]))]
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        made = [
            instance.create_run_for_job(job(tables), status=status, tags={"dagster/partition": day})
            for status, day in ((DagsterRunStatus.STARTED, "2026-11-20"), (DagsterRunStatus.SUCCESS, "2026-11-21"))
        ]
        ((record, planned),) = planned_by_unfinished_runs(instance, {"orders": "orders"})
        assert record.dagster_run.run_id == made[0].run_id
        assert {partition for event in planned for partition in event.partitions} == {"2026-11-20"}
        # All events of several runs are in no one table there.
        with pytest.raises(MirrorError, match=r"SqliteEventLogStorage, which has no table of all events\. Configure"):
            run_events(instance, made[0].run_id, {"orders": "orders"})
