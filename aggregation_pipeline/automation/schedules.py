"""The schedules of the jobs."""

from collections.abc import Sequence
from datetime import datetime

from dagster import (
    DagsterRun,
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from aggregation_pipeline.assets.keys import keys_of_table
from aggregation_pipeline.automation.job_groups import NAMES_SHOWN, Group
from aggregation_pipeline.automation.run_requests import LaunchSpec, Part, at_tick, divided, needed_tags
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.runs.logical_time import tick_name
from aggregation_pipeline.runs.run_records import UNFINISHED
from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG, TICK_TAG


def build_schedule(group: Group) -> ScheduleDefinition:
    """Build the schedule of a group that has one: its crons are read in its zone.

    A tick over partitions launches the newest that is complete. Any other tick passes its moment on to the run, so that
    a run that starts late still reads what the tick stands for. A tick makes one run, or several where the tables are
    divided. A run is left out while another of the same job over the same partition and one of its tables is open: the
    two would only wait for each other's locks.
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
    def tick(context: ScheduleEvaluationContext) -> list[RunRequest] | SkipReason:
        moment = context.scheduled_execution_time
        spec = at_tick(group, moment)
        if spec is None:
            start = f": the first begins {group.partitions.start:%Y-%m-%d %H:%M}" if group.partitions else ""
            return SkipReason(f"No partition of {group.name} is complete yet{start}.")
        parts = divided(group.tables)
        tags = {} if spec.partition is None else {PARTITION_NAME_TAG: spec.partition}
        unfinished = context.instance.get_runs(RunsFilter(job_name=group.name, tags=tags, statuses=UNFINISHED))
        busy = {part.name: run.run_id for part in parts if (run := _overlapping(part, unfinished))}
        if len(busy) == len(parts):
            return SkipReason(
                f"Run {next(iter(busy.values()))} of {group.name} is not finished yet; the next tick comes by the"
                " schedule."
            )
        if busy:
            context.log.warning(
                "Left out of this tick, because their last runs are not finished yet: %s",
                some_of([f"{name or 'the other tables'} (run {run_id})" for name, run_id in busy.items()], NAMES_SHOWN),
            )
        return [_request(group, part, spec, moment, len(parts)) for part in parts if part.name not in busy]

    return tick


def _overlapping(part: Part, runs: Sequence[DagsterRun]) -> DagsterRun | None:
    """One of the runs that is over a table of the part; a run without a selection is over all tables of its job."""
    keys = {key for table in part.tables for key in keys_of_table(table.entry.name, table.formats)}
    return next((run for run in runs if not run.asset_selection or keys & run.asset_selection), None)


def _request(group: Group, part: Part, spec: LaunchSpec, moment: datetime, parts: int) -> RunRequest:
    # With the tick in its key, a second tick of the day starts a second run, and a tick that Dagster repeats does not.
    run_key = " ".join(filter(None, (spec.partition, moment.isoformat(), part.name)))
    tags = {**spec.tags, **needed_tags(part.tables)}
    if parts == 1:
        return RunRequest(run_key=run_key, partition_key=spec.partition, tags=tags)
    return RunRequest(
        run_key=run_key,
        partition_key=spec.partition,
        tags={**tags, TICK_TAG: tick_name(group.name, moment)},
        asset_selection=[key for table in part.tables for key in keys_of_table(table.entry.name, table.formats)],
    )
