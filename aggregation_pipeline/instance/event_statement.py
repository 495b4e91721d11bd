"""The statement that stores events of Dagster with all that belongs to them: one round trip, one transaction.

It writes what Dagster's own methods write in up to five statements. Only what the events need is part of it.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from dagster import EventLogEntry, EventLogRecord
from dagster._core.events import ASSET_EVENTS
from dagster_shared.serdes import serialize_value

_ASSET_EVENTS: Final = sorted(kind.value for kind in ASSET_EVENTS)

_STORED_ONE: Final = """
stored AS (
    INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    VALUES (
        %(run_id)s, %(event)s, %(dagster_event_type)s, %(timestamp)s, %(step_key)s, %(asset_key)s, %(partition)s
    )
    RETURNING *
),
numbered AS (SELECT *, 1 AS number FROM stored)"""
# Ids follow the order in which the events are given, so they tell which event is which.
_STORED_MANY: Final = """
stored AS (
    INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    SELECT run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition
    FROM unnest(
        CAST(%(run_id)s AS text[]), CAST(%(event)s AS text[]), CAST(%(dagster_event_type)s AS text[]),
        CAST(%(timestamp)s AS timestamp[]), CAST(%(step_key)s AS text[]), CAST(%(asset_key)s AS text[]),
        CAST(%(partition)s AS text[])
    ) WITH ORDINALITY
        AS given (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition, number)
    ORDER BY number
    RETURNING *
),
numbered AS (SELECT *, row_number() OVER (ORDER BY id) AS number FROM stored)"""
# The newest event of an asset says what is known of it. What an event does not say stays.
# Rows are written in one order everywhere: two runs that write the same ones must not wait for each other.
_ASSETS: Final = """
assets AS (
    INSERT INTO asset_keys (asset_key, last_materialization, last_run_id, last_materialization_timestamp)
    SELECT DISTINCT ON (asset_key)
        asset_key,
        CASE WHEN dagster_event_type = 'ASSET_MATERIALIZATION'
            THEN CAST(%(before)s AS text) || event || %(between)s || id || %(after)s END,
        CASE WHEN dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED') THEN run_id END,
        CASE WHEN dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_OBSERVATION')
            THEN timestamp END
    FROM stored
    WHERE dagster_event_type = ANY(CAST(%(asset_events)s AS text[])) AND asset_key IS NOT NULL
    ORDER BY asset_key, id DESC
    ON CONFLICT (asset_key) DO UPDATE SET
        last_materialization = COALESCE(excluded.last_materialization, asset_keys.last_materialization),
        last_run_id = COALESCE(excluded.last_run_id, asset_keys.last_run_id),
        last_materialization_timestamp
            = COALESCE(excluded.last_materialization_timestamp, asset_keys.last_materialization_timestamp)
)"""
_TAGS: Final = """
tags AS (
    INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp)
    SELECT id, asset_key, key, value, timestamp
    FROM unnest(CAST(%(tag_number)s AS int[]), CAST(%(tag_key)s AS text[]), CAST(%(tag_value)s AS text[]))
        AS given (number, key, value)
    JOIN numbered USING (number)
)"""
_PLANNED_CHECKS: Final = """
checks AS (
    INSERT INTO asset_check_executions (
        asset_key, check_name, partition, run_id, execution_status, evaluation_event, evaluation_event_timestamp,
        evaluation_event_storage_id
    )
    SELECT asset, name, part, run_id, 'PLANNED', event, timestamp, id
    FROM unnest(
        CAST(%(check_number)s AS int[]), CAST(%(check_asset)s AS text[]), CAST(%(check_name)s AS text[]),
        CAST(%(check_partition)s AS text[])
    ) AS given (number, asset, name, part)
    JOIN numbered USING (number)
)"""
# A check that was planned for the run has a row, which gets the outcome. Any other check gets a row of its own.
_EVALUATED_CHECK: Final = """
evaluated AS (
    UPDATE asset_check_executions AS planned SET
        execution_status = %(check_status)s,
        evaluation_event = event,
        evaluation_event_timestamp = timestamp,
        evaluation_event_storage_id = stored.id,
        materialization_event_storage_id = CAST(%(check_materialization)s AS bigint)
    FROM stored
    WHERE planned.asset_key = %(check_asset)s AND planned.check_name = %(check_name)s
        AND planned.run_id = %(run_id)s AND %(run_id)s <> ''
        AND planned.partition IS NOT DISTINCT FROM %(check_partition)s
    RETURNING planned.id
),
added AS (
    INSERT INTO asset_check_executions (
        asset_key, check_name, partition, run_id, execution_status, evaluation_event, evaluation_event_timestamp,
        evaluation_event_storage_id, materialization_event_storage_id
    )
    SELECT %(check_asset)s, %(check_name)s, %(check_partition)s, run_id, %(check_status)s, event, timestamp, id,
        CAST(%(check_materialization)s AS bigint)
    FROM stored WHERE NOT EXISTS (SELECT FROM evaluated)
)"""


@dataclass(frozen=True)
class EventRow:
    """A row of event_logs, by the names of its columns. The time is in UTC."""

    run_id: str
    event: str
    dagster_event_type: str | None
    timestamp: datetime
    step_key: str | None
    asset_key: str | None
    partition: str | None


@dataclass(frozen=True)
class EventTag:
    """A tag of an asset's event. `number`: which of the events, from 1 on."""

    number: int
    key: str
    value: str | None


@dataclass(frozen=True)
class PlannedCheck:
    """A check that a run is going to evaluate. `number`: which of the events says so, from 1 on."""

    number: int
    asset: str
    name: str
    partition: str | None


@dataclass(frozen=True)
class EvaluatedCheck:
    """The outcome of a check: its status as Dagster names it, and the id of the materialization that was checked."""

    asset: str
    name: str
    partition: str | None
    status: str
    materialization: int | None


def store_events(
    connection: sa.Connection, rows: Sequence[EventRow], tags: Sequence[EventTag], planned: Sequence[PlannedCheck]
) -> list[int]:
    """Store events in order, and return their ids. All is stored, or nothing."""
    given = dict(vars(rows[0])) if len(rows) == 1 else _columns("", rows)
    parts = [_STORED_ONE if len(rows) == 1 else _STORED_MANY]
    if any(row.dagster_event_type in _ASSET_EVENTS and row.asset_key for row in rows):
        parts.append(_ASSETS)
        given |= _around_event()
    if tags:
        parts.append(_TAGS)
        given |= _columns("tag_", tags)
    if planned:
        parts.append(_PLANNED_CHECKS)
        given |= _columns("check_", planned)
    return _execute(connection, parts, given)


def store_evaluation(connection: sa.Connection, row: EventRow, evaluated: EvaluatedCheck) -> int:
    """Store the event of a check that was evaluated, and return its id. All is stored, or nothing."""
    given = vars(row) | {f"check_{name}": value for name, value in vars(evaluated).items()}
    (number,) = _execute(connection, (_STORED_ONE, _EVALUATED_CHECK), given)
    return number


def _execute(connection: sa.Connection, parts: Sequence[str], given: Mapping[str, Any]) -> list[int]:
    # In the driver's own words: SQLAlchemy would need longer for its own than the server for the statement.
    statement = f"WITH {','.join(parts)}\nSELECT id FROM numbered ORDER BY number"
    return list(connection.exec_driver_sql(statement, given).scalars())


def _columns(prefix: str, rows: Sequence[object]) -> dict[str, Any]:
    return {f"{prefix}{name}": [vars(row)[name] for row in rows] for name in vars(rows[0])}


@functools.cache
def _around_event() -> dict[str, Any]:
    """The text of Dagster's record of an event: what stands before the event, between it and its id, and after."""
    event = EventLogEntry(error_info=None, level=0, user_message="", run_id="", timestamp=0.0)  # type: ignore[no-untyped-call]
    text = serialize_value(EventLogRecord(0, event))
    before, _, rest = text.partition(serialize_value(event))
    between, _, after = rest.rpartition("0")
    return {"before": before, "between": between, "after": after, "asset_events": _ASSET_EVENTS}
