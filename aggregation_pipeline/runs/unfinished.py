"""The runs that are not finished, and which windows of tables they write.

All count, whoever has launched them: schedules, sensors, backfills, people, requests, commands. What a run is going to
write is read from its events, where it stands also for runs over several partitions.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from dagster import DagsterEventType, DagsterInstance, RunRecord, RunsFilter

from aggregation_pipeline.runs.event_log import events_of, read_logs
from aggregation_pipeline.runs.model import Planned
from aggregation_pipeline.runs.run_records import UNFINISHED

_PLANNED: Final = (DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,)


def planned_by_unfinished_runs(
    instance: DagsterInstance, names: Mapping[str, str], scope: str = ""
) -> Iterator[tuple[RunRecord, Collection[Planned]]]:
    """Yield each run that is not finished, with what it plans of the tables in `names`, a mapping from their segments.

    `scope` is the name of the component whose tables they are.

    Raises:
        MirrorError: Dagster's events cannot be read.
    """
    records = instance.get_run_records(RunsFilter(statuses=UNFINISHED))
    run_ids = [record.dagster_run.run_id for record in records]
    logs = read_logs(instance, run_ids, _PLANNED, of_assets=True) if records else {}
    for record in records:
        run_id = record.dagster_run.run_id
        events = events_of(instance, run_id, logs[run_id], names, scope) or []
        yield record, [event for event in events if isinstance(event, Planned) and event.segment in names]
