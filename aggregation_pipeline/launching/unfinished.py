"""Which runs that are not finished write a window that somebody asks for.

All runs count, whoever has launched them: schedules, backfills, people, other requests, commands. What a run is going
to write is read from its events, where it stands also for runs over several partitions.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.errors import UnfinishedError
from aggregation_pipeline.launching.plan import PlannedRun
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.event_log import events_of, read_logs
from aggregation_pipeline.runs.model import Planned
from aggregation_pipeline.runs.tags import SCHEDULE_NAME_TAG, WINDOW_TAG

UNFINISHED: Final = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_PLANNED: Final = (DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,)
_NAMED: Final = 10


def require_free(instance: DagsterInstance, asked: Sequence[PlannedRun]) -> None:
    """Check that no run that is not finished writes a window that `asked` write.

    Raises:
        UnfinishedError: some do; the message names the first of them, and the error has all.
        MirrorError: Dagster's events cannot be read.
    """
    records = instance.get_run_records(RunsFilter(statuses=UNFINISHED))
    logs = read_logs(instance, [record.dagster_run.run_id for record in records], _PLANNED) if records else {}
    names = {segment(name): name for run in asked for name in run.tables}
    found: dict[str, list[str]] = {}
    for record in records:
        run_id = record.dagster_run.run_id
        events = events_of(instance, run_id, logs[run_id], names) or []
        planned = [event for event in events if isinstance(event, Planned) and event.segment in names]
        tables = [names[event.segment] for event in planned if _is_asked(record, event, names, asked)]
        if tables:
            found[run_id] = list(dict.fromkeys(tables))
    if found:
        shown = [f"{', '.join(tables[:_NAMED])} (run {run_id})" for run_id, tables in list(found.items())[:_NAMED]]
        more = f", and {len(found) - _NAMED} more runs" if len(found) > _NAMED else ""
        raise UnfinishedError(
            f"Runs that are not finished yet write what was asked for: {'; '.join(shown)}{more}. Nothing was launched."
            " Wait for them, or cancel them",
            found,
        )


def _is_asked(record: RunRecord, planned: Planned, names: Mapping[str, str], asked: Collection[PlannedRun]) -> bool:
    runs = [run for run in asked if names[planned.segment] in run.tables]
    if planned.partitions != (None,):
        return any(not {*planned.partitions}.isdisjoint(run.windows) for run in runs)
    return any(_is_same_whole_table(record, run) for run in runs)


def _is_same_whole_table(record: RunRecord, asked: PlannedRun) -> bool:
    """Whether both read a whole table as of the same moment: of the same window, or both of the present.

    A window by hand has the name of the minute in which it is launched. Two runs that do the same work, one after the
    other, have different names then. So do a run by hand and the schedule's, which is named by the day.
    """
    tags = record.dagster_run.tags
    window = tags.get(WINDOW_TAG)
    if WINDOW_TAG in asked.tags:
        return window == asked.tags[WINDOW_TAG]
    return window is None or SCHEDULE_NAME_TAG in tags
