"""Run tables in this process: what the commands `run`, `backfill` and `demo` and the Python API do."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from uuid import uuid4

from dagster import AssetKey, DagsterInstance, Definitions
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.automation.node_files import NODE_FILES_JOB, ticks_of
from aggregation_pipeline.automation.pools import pool_limits, set_pool_limits
from aggregation_pipeline.automation.run_requests import (
    Launch,
    LaunchSpec,
    backfill_launches,
    describe_launch,
    launches,
    no_partition_yet,
)
from aggregation_pipeline.automation.selected_assets import select_assets
from aggregation_pipeline.config.selection import select_names
from aggregation_pipeline.local.broken_off import failing_when_broken_off
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.heartbeat import hold_heartbeat
from aggregation_pipeline.runs.logical_time import require_past
from aggregation_pipeline.runs.results import RunResult, TableResult, result_of_run, together
from aggregation_pipeline.runs.tags import IN_PROCESS_TAG, TICK_RUN_TAG

# The code location's name, as in workspace.yaml and pyproject.toml.
_LOCATION: Final = "aggregation_pipeline"
# The log files have every line of a run; the terminal belongs to the progress bars.
_QUIET_TERMINAL: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_tables(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    *,
    tables: Sequence[str] | None,
    formats: Sequence[str] | None,
    moment: datetime | None = None,
    report: Callable[[str], object] = lambda _: None,
) -> RunResult:
    """Run `tables` (None: all) in this process, and keep the rows of batch_jobs up to date meanwhile.

    After a run over all tables of a job come the files of `compat: node`, in a run of their own, which has no row. If
    they cannot be written, `report` is told, and the result is failed.

    With a `moment`, the runs stand for the schedule's tick at that time and write that tick's window; otherwise they
    stand for now. For a partitioned table that is the newest window that is complete then, and `report` is told which.
    Tables that do not fit into one job are run one job after the other.

    This process writes the rows itself, because no daemon need be running: when a run starts, while its tables are
    done, and when it ends. If batch_jobs cannot be written, that is logged and the export goes on; the reconciler
    writes the rows later.

    Raises:
        ConfigError: a table or format that is not configured, a moment in the future, or only partitioned tables of
            which none has a complete partition.
    """
    if moment is not None:
        require_past(moment, where=f"{moment:%Y-%m-%d %H:%M}")
    # Refuse wrong names and formats before anything runs.
    select_assets(project, tables, formats)
    names = None if tables is None else select_names(tables, [table.entry.name for table in project.tables])
    planned = launches(groups_of(project), names, now=datetime.now(UTC), tick=moment)
    planned.require_any()
    results: list[RunResult] = []
    for group, of_group in groupby(planned.runs, key=lambda launch: launch.group):
        done = [_run_launch(project, definitions, instance, launch, formats, moment, report) for launch in of_group]
        computed = [table for table in group.tables if any(table.entry.name in result.tables for result in done)]
        if not _write_node_files(project, definitions, instance, computed, done, report):
            done[-1] = replace(done[-1], status="failed")
        results += done
    skipped = {table.entry.name: TableResult("skipped", 0, no_partition_yet(table)) for table in planned.waiting}
    return together(results, skipped)


def run_backfill(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    *,
    table: str,
    first: str,
    last: str,
    formats: Sequence[str] | None = None,
) -> RunResult:
    """Run the partitions of `table` from `first` to `last` in this process, as many in a run as its `backfill` says.

    Raises:
        ConfigError: the table is not configured, or has no partitions, or none of these.
    """
    (table,) = select_names([table], [each.entry.name for each in project.tables])
    select_assets(project, [table], formats)
    planned = backfill_launches(groups_of(project), table, first, last)
    return together([_run_job(project, definitions, instance, launch, formats) for launch in planned], {})


def _run_launch(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    launch: Launch,
    formats: Sequence[str] | None,
    moment: datetime | None,
    report: Callable[[str], object],
) -> RunResult:
    if moment is not None:
        report(describe_launch(launch, moment))
    return _run_job(project, definitions, instance, launch, formats)


def _run_job(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    launch: Launch,
    formats: Sequence[str] | None,
) -> RunResult:
    job, spec = launch.group.name, launch.spec
    run_id = str(uuid4())
    set_pool_limits(instance, pool_limits(project), project.settings.deployment_name)
    project.live_updates(f"aggregation run {run_id[:8]}").start_before_run(instance, run_id)
    assets = select_assets(project, launch.names, formats)
    succeeded = _execute(project, definitions, instance, run_id, job, assets, spec)
    record = instance.get_run_record_by_id(run_id)
    seconds = (record.end_time - record.start_time) if record and record.end_time and record.start_time else 0.0
    names = {segment(name): name for name in launch.names}
    events = run_events(instance, run_id, names) or []
    return result_of_run(run_id, names, events, succeeded=succeeded, seconds=seconds)


def _write_node_files(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    tables: Sequence[ConfiguredTable],
    runs: Sequence[RunResult],
    report: Callable[[str], object],
) -> bool:
    """Write the files of `compat: node` if the runs were over all tables of their job; return whether all is well."""
    for tick in ticks_of(project, tables):
        run_id = str(uuid4())
        spec = LaunchSpec(tags={TICK_RUN_TAG: ",".join(run.batch_job_id for run in runs)})
        if not _execute(project, definitions, instance, run_id, NODE_FILES_JOB, [tick.key], spec):
            report(f"the files of compat: node were not written; the log of run {run_id} says why")
            return False
    return True


def _execute(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    run_id: str,
    job: str,
    assets: Sequence[AssetKey],
    spec: LaunchSpec,
) -> bool:
    """Execute a run in this process; return whether it succeeded."""
    with (
        hold_heartbeat(project.settings.require_dagster_url(), run_id),
        of_code_location(instance, job),
        failing_when_broken_off(instance, run_id),
    ):
        result = definitions.resolve_job_def(job).execute_in_process(
            run_config=_QUIET_TERMINAL,
            instance=instance,
            run_id=run_id,
            tags={**spec.tags, IN_PROCESS_TAG: run_id},
            partition_key=spec.partition,
            asset_selection=assets,
            raise_on_error=False,
        )
    return result.success


@contextmanager
def of_code_location(instance: DagsterInstance, job: str) -> Iterator[None]:
    """Make the runs of `job` in this block belong to the code location, like runs that Dagster's services start.

    A run of `execute_in_process` belongs to none: Overview and the job's page do not show it, sensors are not told
    about it, and nobody can execute it again.
    """
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(_LOCATION), SINGLETON_REPOSITORY_NAME)
    with_origin = functools.partial(instance.create_run_for_job, remote_job_origin=repository.get_job_origin(job))
    instance.create_run_for_job = with_origin  # type: ignore[method-assign]
    try:
        yield
    finally:
        del instance.create_run_for_job
