"""Which runs that are not finished write a window that somebody asks for."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from dagster import DagsterInstance, RunRecord

from aggregation_pipeline.errors import UnfinishedError
from aggregation_pipeline.launching.plan import PlannedRun
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.model import Planned
from aggregation_pipeline.runs.tags import SCHEDULE_NAME_TAG, WINDOW_TAG
from aggregation_pipeline.runs.unfinished import planned_by_unfinished_runs

_NAMED: Final = 10


def require_free(instance: DagsterInstance, asked: Sequence[PlannedRun]) -> None:
    """Check that no run that is not finished writes a window that `asked` write.

    Raises:
        UnfinishedError: some do; the message names the first of them, and the error has all.
        MirrorError: Dagster's events cannot be read.
    """
    names = {segment(name): name for run in asked for name in run.tables}
    found: dict[str, list[str]] = {}
    for record, planned in planned_by_unfinished_runs(instance, names):
        tables = [names[event.segment] for event in planned if _is_asked(record, event, names, asked)]
        if tables:
            found[record.dagster_run.run_id] = list(dict.fromkeys(tables))
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
