"""When the jobs run."""

from dagster import (
    DagsterRunStatus,
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.run_requests import at_tick
from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def build_schedule(group: Group, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Build the schedule of a group that has one: its crons are read in its zone.

    A tick over partitions launches the newest that is complete. Any other tick carries its moment into the run, so that
    a run that starts late still reads what the tick stands for. A tick is skipped while a run of the job, over the same
    partition, is under way: two of them would only wait for each other's locks.
    """
    names = [table.entry.name for table in group.tables]
    told = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    newest = "" if group.partitions is None else ", the newest partition that is complete"

    @schedule(
        name=f"{group.name}_schedule",
        cron_schedule=group.crons[0] if len(group.crons) == 1 else list(group.crons),
        job=job,
        execution_timezone=group.zone.key,
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"{told}{newest}.",
    )
    def tick(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        moment = context.scheduled_execution_time
        spec = at_tick(group, moment)
        if spec is None:
            start = f": the first begins {group.partitions.start:%Y-%m-%d %H:%M}" if group.partitions else ""
            return SkipReason(f"No partition of {group.name} is complete yet{start}.")
        key = spec.partition
        tags = {} if key is None else {PARTITION_NAME_TAG: key}
        unfinished = context.instance.get_runs(
            RunsFilter(job_name=group.name, tags=tags, statuses=_UNFINISHED), limit=1
        )
        if unfinished:
            return SkipReason(
                f"Run {unfinished[0].run_id} of {group.name} is not finished yet; the next tick comes by the schedule."
            )
        # The tick is part of the run's key: a second one on the same day reads the day anew, a tick that is repeated
        # does not.
        run_key = moment.isoformat() if key is None else f"{key} {moment.isoformat()}"
        return RunRequest(run_key=run_key, partition_key=key, tags=spec.tags)

    return tick
