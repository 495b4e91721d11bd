"""The events of one run in Dagster's event log, turned into the plain values of model.py.

A run writes a hundred events that its row does not need; those are not read.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    deserialize_value,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.runs.asset_keys import MANIFEST, TableAsset, parse_asset_key, segment_of_step
from aggregation_pipeline.runs.error_text import innermost_message
from aggregation_pipeline.runs.model import Event, Failed, Finished, Planned, Started
from aggregation_pipeline.runs.tags import (
    BYTES_KEY,
    FILES_KEY,
    ITEMS_KEY,
    PARTITION_NAME_TAG,
    PLATFORM_KEY,
    SECONDS_KEY,
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
# A row of Dagster's table event_logs, with the columns that _read_log selects.
_LogRow: TypeAlias = Any


def run_events(instance: DagsterInstance, run_id: str, platforms: Mapping[str, str]) -> list[Event] | None:
    """Return the run's events, or None for a run that planned none of our assets.

    Nothing else tells whether a run is ours. `platforms` maps the key segment of each configured table to its platform.
    Raises MirrorError where the event log cannot be read.
    """
    events: list[Event] = []
    ours: set[str] = set()
    rows = _read_log(instance, run_id)
    for planned in _planned_without_event(instance, run_id, rows, platforms):
        ours.add(planned.segment)
        events.append(planned)
    for row in rows:
        match row.dagster_event_type:
            case DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value:
                segment = _segment_of_stored_key(row.asset_key, platforms)
                if segment is not None:
                    ours.add(segment)
                    events.append(Planned(row.id, segment, _planned_partitions(row)))
            case DagsterEventType.ASSET_MATERIALIZATION.value if (row.asset_key or "").endswith(f'_{MANIFEST}"]'):
                events.append(_finished(row.id, _event(row).step_materialization_data.materialization, ours))
            case DagsterEventType.STEP_START.value:
                segment = _segment_of_step(row.step_key, ours)
                events.append(Started(row.id, segment) if segment else Event(row.id))
            case DagsterEventType.STEP_FAILURE.value:
                segment = _segment_of_step(row.step_key, ours)
                entry = _entry(row)
                events.append(Failed(row.id, _instant_of(entry), row.step_key, segment, _step_error(_event(row))))
            case DagsterEventType.RUN_FAILURE.value:
                began = any(isinstance(event, Started) for event in events)
                before = [] if began else _read_log(instance, run_id, {DagsterEventType.ENGINE_EVENT.value})
                events.append(
                    Failed(row.id, _instant_of(_entry(row)), None, None, _run_error(_event(row), map(_event, before)))
                )
            case _:
                events.append(Event(row.id))
    return events if ours else None


def segment_of_asset(key: AssetKey | None, platforms: Mapping[str, str]) -> str | None:
    """Return the key segment of the table that an asset belongs to; None for an asset that is not ours.

    A table's own key counts as ours after the table has left the configuration, so that its runs still get their rows.
    """
    return _segment_of_parsed(parse_asset_key(key.path) if key else None, platforms)


def _segment_of_parsed(key: TableAsset | None, platforms: Mapping[str, str]) -> str | None:
    return key.segment if key and (key.output is None or key.segment in platforms) else None


def _segment_of_stored_key(key: str, platforms: Mapping[str, str]) -> str | None:
    return _segment_of_parsed(_parse_stored_key(key), platforms)


@functools.lru_cache(maxsize=10_000)
def _parse_stored_key(key: str) -> TableAsset | None:
    """Parse a key as event_logs stores it. Cached: all runs name the same keys, and parsing one is slow."""
    found = AssetKey.from_db_string(key)
    return parse_asset_key(found.path) if found else None


def _planned_without_event(
    instance: DagsterInstance, run_id: str, rows: Sequence[_LogRow], platforms: Mapping[str, str]
) -> Iterator[Planned]:
    """Tables that a run plans, although the events that say so are missing.

    Dagster stores a run first and its events afterwards, one by one. A process that dies in between leaves a run that
    may still be executed. Its execution plan was stored before it, and names the assets.
    """
    planned = {
        row.asset_key for row in rows if row.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    }
    with_event = {_segment_of_stored_key(key, platforms) for key in planned}
    started = {segment for row in rows if (segment := segment_of_step(row.step_key)) in platforms}
    run = None if planned and started <= with_event else instance.get_run_by_id(run_id)
    if run is None or run.execution_plan_snapshot_id is None:
        return
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    outputs = [output for step in plan.steps if step.key in plan.step_keys_to_execute for output in step.outputs]
    keys = [output.properties.asset_key for output in outputs if output.properties is not None]
    subset = run.partitions_subset
    partitions = (run.tags.get(PARTITION_NAME_TAG),) if subset is None else tuple(subset.get_partition_keys())
    for segment in dict.fromkeys(segment_of_asset(key, platforms) for key in keys):
        if segment is not None and segment not in with_event:
            yield Planned(0, segment, partitions)


def _read_log(instance: DagsterInstance, run_id: str, types: Collection[str] = _TYPES) -> Sequence[_LogRow]:
    """Read the run's rows of event_logs by column. Making Dagster's objects of all of them takes ten times as long."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise MirrorError(
            f"Dagster keeps its events in {type(storage).__name__}, which has no table. Configure PostgreSQL in"
            " dagster.yaml"
        )
    log = SqlEventLogStorageTable.c
    columns = (log.id, log.dagster_event_type, log.step_key, log.asset_key, log.partition, log.event)
    query = select(*columns).where(log.run_id == run_id, log.dagster_event_type.in_(types)).order_by(log.id)
    try:
        with storage.run_connection(run_id) as connection:
            return connection.execute(query).all()
    except SQLAlchemyError as error:
        raise MirrorError(f"Dagster's events of run {run_id} cannot be read ({safe_reason(error)})") from error


def _entry(row: _LogRow) -> EventLogEntry:
    return deserialize_value(row.event, EventLogEntry)


def _event(row: _LogRow) -> DagsterEvent:
    return _entry(row).get_dagster_event()


def _planned_partitions(row: _LogRow) -> tuple[str | None, ...]:
    # The partitions of a run over a range stand in the event's text only.
    if row.partition is not None or '"partitions_subset": null' in row.event:
        return (row.partition,)
    data = _event(row).asset_materialization_planned_data
    return (
        tuple(data.partitions_subset.get_partition_keys()) if data.partitions_subset is not None else (data.partition,)
    )


def _segment_of_step(step: str | None, ours: set[str]) -> str | None:
    segment = segment_of_step(step)
    return segment if segment in ours else None


def _finished(storage_id: int, materialization: AssetMaterialization, ours: set[str]) -> Event:
    key = parse_asset_key(materialization.asset_key.path)
    values: dict[str, Any] = {key: value.value for key, value in materialization.metadata.items()}
    # The manifest is materialized last, when everything is published, and carries the window's figures.
    if key is None or key.output != MANIFEST or key.segment not in ours or ITEMS_KEY not in values:
        return Event(storage_id)
    return Finished(
        storage_id,
        segment=key.segment,
        partition=materialization.partition,
        items=int(values[ITEMS_KEY]),
        table=str(values.get(TABLE_KEY, key.segment)),
        platform=values.get(PLATFORM_KEY),
        window=values.get(WINDOW_KEY),
        seconds=float(values.get(SECONDS_KEY, 0.0)),
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
