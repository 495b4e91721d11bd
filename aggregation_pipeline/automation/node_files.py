"""When the files in the shape of the Node.js service are written: after the runs that are over all tables of a job.

Only jobs whose tables have no partitions have such files: a partition is one day of a table, and the service's files
held whole tables.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.node_files import NodeTick
from aggregation_pipeline.automation import internal_sensors
from aggregation_pipeline.automation.changed_runs import runs_since_last_tick
from aggregation_pipeline.automation.job_groups import AGGREGATE_JOB, Group, groups_of
from aggregation_pipeline.config.compat import NodeFiles
from aggregation_pipeline.node_files.names import ALL_TABLES, NODE_FORMATS
from aggregation_pipeline.runs.tags import TICK_RUN_TAG, TICK_TAG, WILL_RETRY_TAG

if TYPE_CHECKING:
    from aggregation_pipeline.project import Project

NODE_FILES_JOB: Final = "node_files"
SENSOR: Final = f"{internal_sensors.PREFIX}node_files"
_INTERVAL_SECONDS: Final = 15
_ENDED: Final = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


def ticks_of(project: "Project", tables: Sequence[ConfiguredTable]) -> list[NodeTick]:
    """Return what is written after the ticks of each job that has all its tables in `tables`.

    That is nothing without `compat: node`.
    """
    options, names = project.node_files, {table.entry.name for table in tables}
    if options is None:
        return []
    whole = [group for group in groups_of(project) if names.issuperset(group.names)]
    return [_tick(project, options, group) for group in whole if group.crons and not group.partitions]


def _tick(project: "Project", options: NodeFiles, group: Group) -> NodeTick:
    wanted = options.formats or project.settings.output_format
    is_main = group.name == AGGREGATE_JOB
    return NodeTick(
        job=group.name,
        tables=group.tables,
        broken=_broken(project) if is_main else {},
        # Two jobs may tick in the same second, and each has its own file of all tables.
        name=ALL_TABLES if is_main else group.name,
        options=options,
        formats=tuple(name for name in NODE_FORMATS if name in wanted) or ("json",),
        zone=project.settings.zone,
        secrets=tuple(project.settings.secrets),
    )


def _broken(project: "Project") -> Mapping[str, str]:
    """Why entries cannot be used; when they would run is not known any more."""
    placeholders = {table.entry.name: table.entry.issues for table in project.tables if table.entry.issues}
    return {**placeholders, **project.left_out}


def build_node_files_job(ticks: Sequence[NodeTick]) -> UnresolvedAssetJobDefinition:
    """Build the job that writes the files; each of its runs is over one of the assets."""
    return define_asset_job(
        NODE_FILES_JOB,
        selection=AssetSelection.assets(*(tick.key for tick in ticks)),
        description="All tables of a tick as the Node.js service wrote them, of what is published.",
    )


def _ended_tick(instance: DagsterInstance, run: DagsterRun, tick: NodeTick) -> Sequence[DagsterRun]:
    """The runs of a tick, the oldest first, whose last one may be `run`; none while one is at work.

    Nor where they are not over all tables: one was left out, because its run of the tick before was still at work.
    """
    if TICK_TAG not in run.tags:
        return [run] if run.status != DagsterRunStatus.CANCELED and tick.covered_by([run]) else []
    found = instance.get_runs(RunsFilter(job_name=tick.job, tags={TICK_TAG: run.tags[TICK_TAG]}), ascending=True)
    last = [each for each in found if WILL_RETRY_TAG not in each.tags]
    has_ended = all(each.is_finished for each in last)
    was_cancelled = all(each.status == DagsterRunStatus.CANCELED for each in last)
    return last if has_ended and not was_cancelled and tick.covered_by(last) else []


def build_node_files_sensor(ticks: Sequence[NodeTick], job: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """Build the sensor that starts that job after each tick, running from the start."""

    def evaluate(context: SensorEvaluationContext) -> SensorResult:
        from aggregation_pipeline.runs.heartbeat import in_own_process

        requests = {}
        for record in runs_since_last_tick(context, _ENDED):
            run = record.dagster_run
            # The process of `run` writes them itself. A run that is tried again is not the end of the tick.
            if in_own_process(run) or WILL_RETRY_TAG in run.tags:
                continue
            for tick in ticks:
                if run.job_name == tick.job and (runs := _ended_tick(context.instance, run, tick)):
                    ids = ",".join(each.run_id for each in runs)
                    # Two of its runs may have ended since the last look. One that is executed again is a newer one.
                    key = runs[-1].run_id
                    requests[key] = RunRequest(run_key=key, asset_selection=[tick.key], tags={TICK_RUN_TAG: ids})
        return SensorResult(run_requests=list(requests.values()))

    return SensorDefinition(
        name=SENSOR,
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=internal_sensors.description("writes the files of compat: node after each tick."),
        tags=internal_sensors.TAGS,
    )
