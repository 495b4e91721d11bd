"""The schedules of the jobs."""

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from aggregation_pipeline.automation.job_groups import NAMES_SHOWN, Group
from aggregation_pipeline.automation.run_requests import at_tick
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.runs.run_records import UNFINISHED
from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG


def build_schedule(group: Group) -> ScheduleDefinition:
    """Build the schedule of a group that has one: its crons are read in its zone.

    A tick over partitions launches the newest that is complete. Any other tick passes its moment on to the run, so that
    a run that starts late still reads what the tick stands for. A tick is skipped while a run of the same job over the
    same partition is open: the two would only wait for each other's locks.
    """
    newest = "" if group.partitions is None else ", the newest partition that is complete"

    @schedule(
        name=f"{group.name}_schedule",
        cron_schedule=group.crons[0] if len(group.crons) == 1 else list(group.crons),
        job_name=group.name,
        execution_timezone=group.zone.key,
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"{some_of(group.names, NAMES_SHOWN)}{newest}.",
    )
    def tick(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        moment = context.scheduled_execution_time
        spec = at_tick(group, moment)
        if spec is None:
            start = f": the first begins {group.partitions.start:%Y-%m-%d %H:%M}" if group.partitions else ""
            return SkipReason(f"No partition of {group.name} is complete yet{start}.")
        key = spec.partition
        tags = {} if key is None else {PARTITION_NAME_TAG: key}
        unfinished = context.instance.get_runs(RunsFilter(job_name=group.name, tags=tags, statuses=UNFINISHED), limit=1)
        if unfinished:
            return SkipReason(
                f"Run {unfinished[0].run_id} of {group.name} is not finished yet; the next tick comes by the schedule."
            )
        # With the tick in its key, a second tick of the day starts a second run, and a tick that Dagster repeats does
        # not.
        run_key = moment.isoformat() if key is None else f"{key} {moment.isoformat()}"
        return RunRequest(run_key=run_key, partition_key=key, tags=spec.tags)

    return tick
