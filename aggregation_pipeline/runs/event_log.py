"""The events of one run in Dagster's event log, turned into the plain values of model.py.

A run writes a hundred events that its row does not need; those are not read.
"""

import functools
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from dagster import (
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    deserialize_value,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy import func, select

from aggregation_pipeline.runs.asset_keys import (
    MANIFEST,
    TableAsset,
    is_node_files,
    is_of_scope,
    parse_asset_key,
    segment_of_step,
)
from aggregation_pipeline.runs.error_text import innermost_message
from aggregation_pipeline.runs.log_query import LogRow, ask_log
from aggregation_pipeline.runs.model import Event, Failed, Finished, Planned, Started
from aggregation_pipeline.runs.stored_metadata import stored_metadata
from aggregation_pipeline.runs.tags import (
    BYTES_KEY,
    FILES_KEY,
    ITEMS_KEY,
    PARTITION_NAME_TAG,
    PLATFORM_KEY,
    SECONDS_KEY,
    SOURCE_KEY,
    STAGE_SECONDS_KEY,
    TABLE_KEY,
    WINDOW_KEY,
)

_TYPES = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.STEP_START.value,
    DagsterEventType.STEP_FAILURE.value,
    # Of these only the ids are used: they tell which of two readings of a run is newer.
    DagsterEventType.RUN_ENQUEUED.value,
    DagsterEventType.RUN_STARTING.value,
    DagsterEventType.RUN_START.value,
    DagsterEventType.RUN_SUCCESS.value,
    DagsterEventType.RUN_FAILURE.value,
    DagsterEventType.RUN_CANCELING.value,
    DagsterEventType.RUN_CANCELED.value,
}


def run_events(instance: DagsterInstance, run_id: str, platforms: Mapping[str, str]) -> list[Event] | None:
    """Return the run's events, or None for a run that planned none of our assets.

    Nothing else tells whether a run is ours. `platforms` maps the key segment of each configured table to its platform.
    Raises MirrorError where the event log cannot be read.
    """
    return events_of(instance, run_id, read_logs(instance, [run_id])[run_id], platforms)


def read_logs(
    instance: DagsterInstance, run_ids: Sequence[str], types: Collection[str] = _TYPES, *, of_assets: bool = False
) -> Mapping[str, Sequence[LogRow]]:
    """Return the rows of event_logs that the rows of these runs are made of, by run, as columns.

    One question for many runs: on a busy machine each waits longer than it takes. Making Dagster's objects of all rows
    takes ten times as long as reading them. `of_assets`: all these types are of events of assets.

    Raises:
        MirrorError: the event log cannot be read.
    """
    log = SqlEventLogStorageTable.c
    columns = (log.run_id, log.id, log.dagster_event_type, log.step_key, log.asset_key, log.partition, log.event)
    query = select(*columns).where(log.run_id.in_(run_ids), log.dagster_event_type.in_(types)).order_by(log.id)
    logs: dict[str, list[LogRow]] = {run_id: [] for run_id in run_ids}
    for row in ask_log(instance, query, of_assets=of_assets):
        logs[row.run_id].append(row)
    return logs


def event_counts(instance: DagsterInstance, run_ids: Sequence[str]) -> Mapping[str, int]:
    """Return how many events of any kind each run has.

    Raises:
        MirrorError: the event log cannot be read.
    """
    log = SqlEventLogStorageTable.c
    query = select(log.run_id, func.count()).where(log.run_id.in_(run_ids)).group_by(log.run_id)
    return dict.fromkeys(run_ids, 0) | dict(map(tuple, ask_log(instance, query)))


def node_files_events(instance: DagsterInstance, run_id: str) -> tuple[list[AssetKey], list[Event]]:
    """Return the files of `compat: node` that a run planned, as assets, and the run's events.

    Raises:
        MirrorError: the event log cannot be read.
    """
    rows = read_logs(instance, [run_id])[run_id]
    planned = (
        AssetKey.from_db_string(row.asset_key)
        for row in rows
        if row.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    )
    keys = [key for key in planned if key is not None and is_node_files(key.path)]
    return keys, _all_events(instance, run_id, rows, {})[0] if keys else []


def events_of(
    instance: DagsterInstance, run_id: str, rows: Sequence[LogRow], platforms: Mapping[str, str], scope: str = ""
) -> list[Event] | None:
    """Return the events of a run, whose rows are given, as `run_events` does.

    `scope` is the name of the component whose tables are ours; a deployment has none. Components of one project, and
    a deployment beside them, may have tables of one name.
    """
    events, ours = _all_events(instance, run_id, rows, platforms, scope)
    return events if ours else None


def _all_events(
    instance: DagsterInstance, run_id: str, rows: Sequence[LogRow], platforms: Mapping[str, str], scope: str = ""
) -> tuple[list[Event], set[str]]:
    """The events of a run, and the segments of the tables that it planned."""
    events: list[Event] = []
    ours: set[str] = set()
    for planned in _planned_without_event(instance, run_id, rows, platforms, scope):
        ours.add(planned.segment)
        events.append(planned)
    for row in rows:
        match row.dagster_event_type:
            case DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value:
                segment = _segment_of_stored_key(row.asset_key, platforms)
                if segment is not None and _is_planned_by(row.step_key, segment, scope):
                    ours.add(segment)
                    events.append(Planned(row.id, segment, _planned_partitions(row)))
            case DagsterEventType.ASSET_MATERIALIZATION.value if (row.asset_key or "").endswith(f'_{MANIFEST}"]'):
                events.append(_finished(row, ours if is_of_scope(row.step_key, scope) else set()))
            case DagsterEventType.STEP_START.value:
                segment = _segment_of_step(row.step_key, ours, scope)
                events.append(Started(row.id, segment) if segment else Event(row.id))
            case DagsterEventType.STEP_FAILURE.value:
                segment = _segment_of_step(row.step_key, ours, scope)
                entry = _entry(row)
                events.append(Failed(row.id, _instant_of(entry), row.step_key, segment, _step_error(_event(row))))
            case DagsterEventType.RUN_FAILURE.value:
                began = any(isinstance(event, Started) for event in events)
                engine = {DagsterEventType.ENGINE_EVENT.value}
                before = [] if began else read_logs(instance, [run_id], engine)[run_id]
                events.append(
                    Failed(row.id, _instant_of(_entry(row)), None, None, _run_error(_event(row), map(_event, before)))
                )
            case _:
                events.append(Event(row.id))
    return events, ours


def segment_of_asset(key: AssetKey | None, platforms: Container[str]) -> str | None:
    """Return the key segment of the table that an asset belongs to; None for an asset that is not ours.

    A table's own key counts as ours after the table has left the configuration, so that its runs still get their rows.
    """
    return _segment_of_parsed(parse_asset_key(key.path) if key else None, platforms)


def _segment_of_parsed(key: TableAsset | None, platforms: Container[str]) -> str | None:
    return key.segment if key and (key.output is None or key.segment in platforms) else None


def _segment_of_stored_key(key: str, platforms: Mapping[str, str]) -> str | None:
    return _segment_of_parsed(_parse_stored_key(key), platforms)


@functools.lru_cache(maxsize=100_000)
def _parse_stored_key(key: str) -> TableAsset | None:
    """Parse a key as event_logs stores it. Cached: parsing one is slow, and all runs name the same, six a table."""
    found = AssetKey.from_db_string(key)
    return parse_asset_key(found.path) if found else None


def _planned_without_event(
    instance: DagsterInstance, run_id: str, rows: Sequence[LogRow], platforms: Mapping[str, str], scope: str
) -> Iterator[Planned]:
    """Tables that a run plans, although the events that say so are missing.

    Dagster stores a run first and its events afterwards, one by one. A process that dies in between leaves a run that
    may still be executed. Its execution plan was stored before it, and names the assets.
    """
    planned = {
        row.asset_key: is_of_scope(row.step_key, scope)
        for row in rows
        if row.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    }
    with_event = {_segment_of_stored_key(key, platforms) for key, is_ours in planned.items() if is_ours}
    started = {segment for row in rows if (segment := segment_of_step(row.step_key, scope)) in platforms}
    run = None if planned and started <= with_event else instance.get_run_by_id(run_id)
    if run is None or run.execution_plan_snapshot_id is None:
        return
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    executed = set(plan.step_keys_to_execute)
    steps = [step for step in plan.steps if step.key in executed and is_of_scope(step.key, scope)]
    outputs = [output for step in steps for output in step.outputs]
    keys = [output.properties.asset_key for output in outputs if output.properties is not None]
    subset = run.partitions_subset
    partitions = (run.tags.get(PARTITION_NAME_TAG),) if subset is None else tuple(subset.get_partition_keys())
    for segment in dict.fromkeys(segment_of_asset(key, platforms) for key in keys):
        if segment is not None and segment not in with_event:
            yield Planned(0, segment, partitions)


def _entry(row: LogRow) -> EventLogEntry:
    return deserialize_value(row.event, EventLogEntry)


def _event(row: LogRow) -> DagsterEvent:
    return _entry(row).get_dagster_event()


def _planned_partitions(row: LogRow) -> tuple[str | None, ...]:
    # The partitions of a run over a range stand in the event's text only.
    if row.partition is not None or '"partitions_subset": null' in row.event:
        return (row.partition,)
    data = _event(row).asset_materialization_planned_data
    return (
        tuple(data.partitions_subset.get_partition_keys()) if data.partitions_subset is not None else (data.partition,)
    )


def _is_planned_by(step: str | None, segment: str, scope: str) -> bool:
    """Whether a step is that of the table, or one of a user's own that is called otherwise."""
    found = segment_of_step(step, scope)
    return found == segment or (found is None and is_of_scope(step, scope))


def _segment_of_step(step: str | None, ours: set[str], scope: str) -> str | None:
    segment = segment_of_step(step, scope)
    return segment if segment in ours else None


def _finished(row: LogRow, ours: set[str]) -> Event:
    key = _parse_stored_key(row.asset_key)
    # The manifest is materialized last, when everything is published, and carries the window's figures.
    if key is None or key.output != MANIFEST or key.segment not in ours:
        return Event(row.id)
    values = stored_metadata(row.event)
    if ITEMS_KEY not in values:
        return Event(row.id)
    return Finished(
        row.id,
        segment=key.segment,
        partition=row.partition,
        items=int(values[ITEMS_KEY]),
        table=str(values.get(TABLE_KEY, key.segment)),
        platform=values.get(PLATFORM_KEY),
        source=values.get(SOURCE_KEY),
        window=values.get(WINDOW_KEY),
        seconds=float(values.get(SECONDS_KEY, 0.0)),
        stage_seconds=dict(values.get(STAGE_SECONDS_KEY) or {}),
        bytes=int(values.get(BYTES_KEY, 0)),
        files=tuple(values.get(FILES_KEY) or ()),
    )


def _step_error(event: DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    return innermost_message(data.error) or event.message or "The step failed without a message"


def _run_error(event: DagsterEvent, before: Iterable[DagsterEvent]) -> str:
    """Why a run failed. For a run that never started, one of the engine's events `before` tells why."""
    message = event.message or "The run failed without a message"
    if error := innermost_message(getattr(event.event_specific_data, "error", None)):
        return error
    causes = [cause for each in before if (cause := innermost_message(each.engine_event_data.error))]
    return f"{causes[-1]} ({message})" if causes else message


def _instant_of(entry: EventLogEntry) -> datetime:
    return datetime.fromtimestamp(entry.timestamp, tz=UTC)
