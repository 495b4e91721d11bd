"""Dagster's records, read into the plain facts that a row is made of.

Only what a row needs is fetched: a run writes a hundred events more than that.
"""

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    EventLogEntry,
    RunRecord,
    RunsFilter,
    deserialize_value,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.runs.asset_keys import MANIFEST, ParsedKey, parse_key, segment_of_step
from aggregation_pipeline.runs.model import Event, Failed, Finished, Planned, RunInfo, Started
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
    # Nothing is read from the next ones but their ids: they order two readings of a run.
    DagsterEventType.RUN_ENQUEUED.value,
    DagsterEventType.RUN_STARTING.value,
    DagsterEventType.RUN_START.value,
    DagsterEventType.RUN_SUCCESS.value,
    DagsterEventType.RUN_FAILURE.value,
    DagsterEventType.RUN_CANCELING.value,
    DagsterEventType.RUN_CANCELED.value,
}
# A row of event_logs with the columns that _rows asks for.
_LogRow: TypeAlias = Any
_FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


def run_info(record: RunRecord) -> RunInfo:
    """What the run's own record says."""
    run = record.dagster_run
    status = run.status.value
    return RunInfo(
        run_id=run.run_id,
        job=run.job_name,
        status=status,
        created_at=_aware(record.create_timestamp),
        updated_at=_aware(record.update_timestamp),
        started_at=_instant(record.start_time),
        # A run cancelled while Dagster was down has no end of its own.
        completed_at=(_instant(record.end_time) or _aware(record.update_timestamp)) if status in _FINISHED else None,
        tags=run.tags,
    )


def run_events(instance: DagsterInstance, run_id: str, platforms: Mapping[str, str]) -> list[Event] | None:
    """The run's events, or None when it did not plan one of our assets: no other mark of a run tells whose it is."""
    events: list[Event] = []
    ours: set[str] = set()
    rows = _rows(instance, run_id)
    for planned in _never_told(instance, run_id, rows, platforms):
        ours.add(planned.segment)
        events.append(planned)
    for row in rows:
        match row.dagster_event_type:
            case DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value:
                segment = _segment_of_text(row.asset_key, platforms)
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
                before = [] if began else _rows(instance, run_id, {DagsterEventType.ENGINE_EVENT.value})
                events.append(
                    Failed(row.id, _instant_of(_entry(row)), None, None, _run_error(_event(row), map(_event, before)))
                )
            case _:
                events.append(Event(row.id))
    return events if ours else None


def segment_of_asset(key: AssetKey | None, platforms: Mapping[str, str]) -> str | None:
    """The segment of the table that an asset belongs to; None where it is none of ours.

    A table's own key is ours even when the table has left the configuration, so that its runs come to an end.
    """
    return _segment_at(parse_key(key.path) if key else None, platforms)


def _segment_at(place: ParsedKey | None, platforms: Mapping[str, str]) -> str | None:
    return place.segment if place and (place.output is None or place.segment in platforms) else None


def _segment_of_text(key: str, platforms: Mapping[str, str]) -> str | None:
    return _segment_at(_place_of_text(key), platforms)


@functools.lru_cache(maxsize=10_000)
def _place_of_text(key: str) -> ParsedKey | None:
    """The same few keys stand in the events of every run, and to read one takes as long as the rest of an event."""
    found = AssetKey.from_db_string(key)
    return parse_key(found.path) if found else None


def _never_told(
    instance: DagsterInstance, run_id: str, rows: Sequence[_LogRow], platforms: Mapping[str, str]
) -> Iterator[Planned]:
    """What a run plans though no event says so: who makes a run stores it first, then its events one by one, and may
    die in between.

    Such a run may be executed all the same. What it plans stands in its execution plan, which was stored before it.
    """
    planned = {
        row.asset_key for row in rows if row.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    }
    told = {_segment_of_text(key, platforms) for key in planned}
    begun = {segment for row in rows if (segment := segment_of_step(row.step_key)) in platforms}
    run = None if planned and begun <= told else instance.get_run_by_id(run_id)
    if run is None or run.execution_plan_snapshot_id is None:
        return
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    outputs = [output for step in plan.steps if step.key in plan.step_keys_to_execute for output in step.outputs]
    keys = [output.properties.asset_key for output in outputs if output.properties is not None]
    subset = run.partitions_subset
    partitions = (run.tags.get(PARTITION_NAME_TAG),) if subset is None else tuple(subset.get_partition_keys())
    for segment in dict.fromkeys(segment_of_asset(key, platforms) for key in keys):
        if segment is not None and segment not in told:
            yield Planned(0, segment, partitions)


def _rows(instance: DagsterInstance, run_id: str, types: Collection[str] = _TYPES) -> Sequence[_LogRow]:
    """The rows of Dagster's event log, read by their columns: making objects of all of a run's events takes ten times
    as long.
    """
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
    # Only a range that is one run's work stands in the event alone.
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
    place = parse_key(materialization.asset_key.path)
    values: dict[str, Any] = {key: value.value for key, value in materialization.metadata.items()}
    # The manifest carries the window's numbers; it is made last, when everything is published.
    if place is None or place.output != MANIFEST or place.segment not in ours or ITEMS_KEY not in values:
        return Event(storage_id)
    return Finished(
        storage_id,
        segment=place.segment,
        partition=materialization.partition,
        items=int(values[ITEMS_KEY]),
        table=str(values.get(TABLE_KEY, place.segment)),
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
    return _innermost(data.error) or event.message or "The step failed without a message"


def _run_error(event: DagsterEvent, before: Iterable[DagsterEvent]) -> str:
    """The words of a run's failure; those of one that never began stand in an event of the engine `before`."""
    words = event.message or "The run failed without a message"
    if error := _innermost(getattr(event.event_specific_data, "error", None)):
        return error
    causes = [cause for each in before if (cause := _innermost(each.engine_event_data.error))]
    return f"{causes[-1]} ({words})" if causes else words


def _innermost(error: Any) -> str | None:  # noqa: ANN401 - SerializableErrorInfo is not public
    """The words of what went wrong: Dagster wraps them in errors of its own, and Python's puts the module's path before
    them.
    """
    if error is None:
        return None
    # A class that a library keeps to itself, as gRPC does, says how, and not what.
    while (
        error.cause is not None
        and (error.cls_name or "").startswith(("Dagster", "Retry"))
        and not _is_private(error.cause.cls_name)
    ):
        error = error.cause
    return re.sub(r"^(?:\w+\.)+(?=\w+(?::|\s|$))", "", error.message.strip())


def _is_private(cls_name: str | None) -> bool:
    return (cls_name or "").startswith("_")


def _instant_of(entry: EventLogEntry) -> datetime:
    return datetime.fromtimestamp(entry.timestamp, tz=UTC)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def runs_since(
    instance: DagsterInstance, statuses: Sequence[DagsterRunStatus], since: datetime, *, limit: int
) -> Iterator[list[RunRecord]]:
    """Pages of at most `limit` runs in one of `statuses` that changed since then, the earliest change first."""
    seen: set[str] = set()
    while True:
        # With `statuses`, the query uses an index; Dagster's own paging cursor cannot be combined with this order.
        wanted = RunsFilter(statuses=statuses, updated_after=since)
        page = instance.get_run_records(wanted, limit=limit, order_by="update_timestamp", ascending=True)
        fresh = [run for run in page if run.dagster_run.run_id not in seen]
        if fresh:
            yield fresh
        if len(page) < limit:
            return
        seen.update(run.dagster_run.run_id for run in fresh)
        # Several may share the last moment; when a whole page does, go past it.
        since = page[-1].update_timestamp - timedelta(microseconds=1 if fresh else 0)
