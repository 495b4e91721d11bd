"""What Dagster knows now: what each table has published, how its last run is, failing checks, and schedules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dagster import DagsterInstance, RunsFilter

from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.overview.schedules import NextTick, next_ticks
from aggregation_pipeline.overview.tables import Published, published_tables
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.latest_checks import LatestCheck, failed_checks
from aggregation_pipeline.runs.model import RunInfo
from aggregation_pipeline.runs.run_records import run_info

# A partition that nobody runs again would be shown for ever.
_SHOWN_FOR: Final = timedelta(days=30)


@dataclass(frozen=True)
class DagsterState:
    """What Dagster knows.

    Attributes:
        project: the tables as they were configured then.
        config_usable: whether aggregation.yaml could be read. If not, `project` is the one that was read last.
        tables: by name of the entry.
        runs: the last run of each table, by its id; one that somebody has deleted is missing.
        checks: those that failed when they were last evaluated; of partitions, those of the last 30 days.
    """

    project: Project
    config_usable: bool
    tables: Mapping[str, Published]
    runs: Mapping[str, RunInfo]
    checks: Sequence[LatestCheck]
    schedules: Sequence[NextTick]


def read_dagster(project: Project, instance: DagsterInstance, now: datetime, *, config_usable: bool) -> DagsterState:
    """Read it.

    Raises:
        SettingsError, MirrorError: Dagster's storage cannot be read.
    """
    with outage_of_storage():
        tables = published_tables(project, instance)
        return DagsterState(
            project=project,
            config_usable=config_usable,
            tables=tables,
            runs=_runs(instance, {each.last_run_id for each in tables.values() if each.last_run_id}),
            checks=[
                check for check in failed_checks(instance) if check.partition is None or check.at > now - _SHOWN_FOR
            ],
            schedules=next_ticks(groups_of(project), instance, now),
        )


def _runs(instance: DagsterInstance, run_ids: Collection[str]) -> Mapping[str, RunInfo]:
    records = instance.get_run_records(RunsFilter(run_ids=list(run_ids))) if run_ids else ()
    return {record.dagster_run.run_id: run_info(record) for record in records}
