"""When the jobs run."""

from zoneinfo import ZoneInfo

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

from aggregation_pipeline.assets.windows import tick_tags

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def is_more_than_daily(cron: str) -> bool:
    """Whether a cron of five fields can tick twice on one day: then a date does not name its window."""
    minute, hour, *_ = cron.split()
    return not (minute.isdigit() and hour.isdigit())


def build_schedule(job: UnresolvedAssetJobDefinition, cron: str, zone: ZoneInfo) -> ScheduleDefinition:
    """Build the schedule of `job`: `cron` has five fields and is read in `zone`.

    A tick carries its moment into the run, so that a run that starts late still reads what the tick stands for. A tick is skipped
    while a run of the job is under way: two of them would only wait for each other's locks.
    """
    more_than_daily = is_more_than_daily(cron)

    @schedule(
        name=f"{job.name}_schedule",
        cron_schedule=cron,
        job=job,
        execution_timezone=zone.key,
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"{job.name} at `{cron}`, {zone.key}.",
    )
    def tick(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        unfinished = context.instance.get_runs(RunsFilter(job_name=job.name, statuses=_UNFINISHED), limit=1)
        if unfinished:
            return SkipReason(f"Run {unfinished[0].run_id} of {job.name} is not finished yet; the next tick comes by the schedule.")
        moment = context.scheduled_execution_time
        return RunRequest(run_key=moment.isoformat(), tags=tick_tags(moment, zone, more_than_daily=more_than_daily))

    return tick
