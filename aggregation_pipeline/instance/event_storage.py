"""Dagster's event log in PostgreSQL, with what the runs of many small tables need.

Dagster writes an asset's event in five steps, asks for the columns of its own tables before each of them, and reads
back what a step has just stored. Here an event and all that belongs to it is one statement, a question whose answer
cannot change is asked once, and what the step has stored is known.
"""

import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa
from dagster import AssetCheckEvaluation, AssetKey, DagsterEventType, EventLogEntry, EventLogRecord
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as CheckStatus
from dagster._core.storage.event_log.base import AssetEntry, AssetRecord
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage

from aggregation_pipeline.instance.event_statement import (
    EvaluatedCheck,
    EventRow,
    EventTag,
    PlannedCheck,
    store_evaluation,
    store_events,
)
from aggregation_pipeline.instance.schema import SeenInSchema, one_process_at_a_time
from aggregation_pipeline.instance.worker_run import note_start

_STEP_BOUNDARIES: Final = frozenset(
    {
        DagsterEventType.STEP_START,
        DagsterEventType.STEP_SUCCESS,
        DagsterEventType.STEP_FAILURE,
        DagsterEventType.STEP_UP_FOR_RETRY,
        DagsterEventType.STEP_RESTARTED,
    }
)


class _Step(threading.local):
    """What the step of a thread has materialized, by asset."""

    def __init__(self) -> None:
        self.materialized: dict[AssetKey, EventLogRecord] = {}


class EventStorage(PostgresEventLogStorage):
    """The event log of a process.

    Args:
        postgres_url: where it is.
        engine: its connections.
        runs: Dagster's table of runs.
        create: create Dagster's tables where they are missing.
    """

    def __init__(self, postgres_url: str, engine: sa.Engine, runs: PostgresRunStorage, *, create: bool) -> None:
        super().__init__(postgres_url, should_autocreate_tables=create)
        self._engine = engine
        self._runs = runs
        self._step = _Step()
        self._seen = SeenInSchema()

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event with all that belongs to it."""
        self._store([event])
        note_start(event, self._runs)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of assets in one transaction, with all that belongs to them."""
        # Dagster stores none of these itself.
        wanted = [event for event in events if not event.get_dagster_event().is_asset_failed_to_materialize]
        if wanted:
            self._store(wanted)

    def _store(self, events: Sequence[EventLogEntry]) -> None:
        """Store all of the events or none. If the connection is lost meanwhile, that is tried once more by another."""
        try:
            self._try_to_store(events)
        except sa.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # What the server said last may have been lost with the connection.
            if not self._is_stored(events[-1]):
                self._try_to_store(events)

    def _is_stored(self, event: EventLogEntry) -> bool:
        table = SqlEventLogStorageTable.c
        same = sa.select(table.id).where(table.run_id == event.run_id, table.event == serialize_value(event)).limit(1)
        with self.index_connection() as connection:
            return connection.execute(same).first() is not None

    def _try_to_store(self, events: Sequence[EventLogEntry]) -> None:
        rows = [EventRow(**self._event_to_row(event)) for event in events]
        with self.index_connection() as connection:
            if len(events) == 1 and (evaluated := _evaluated(events[0])):
                ids = [store_evaluation(connection, rows[0], evaluated)]
            else:
                numbered = list(enumerate(events, start=1))
                tags = [EventTag(n, *tag) for n, event in numbered for tag in self._tags_for_asset_event(event).items()]
                planned = [check for number, event in numbered for check in _planned(number, event)]
                ids = store_events(connection, rows, tags, planned)
        self._step.materialized |= {
            asset: EventLogRecord(number, event)
            for event, number in zip(events, ids, strict=True)
            if event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION
            and event.step_key
            and (asset := event.get_dagster_event().asset_key)
        }
        if any(event.dagster_event_type in _STEP_BOUNDARIES for event in events):
            self._step.materialized.clear()

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """Return the records of assets; of those that the step under way has materialized, without asking.

        Dagster computes the data version of each asset of a step from those that the step has stored just before.
        """
        own = self._step.materialized
        if not asset_keys or not own.keys() >= set(asset_keys):
            return super().get_asset_records(asset_keys)
        return [
            AssetRecord(
                storage_id=own[key].storage_id,
                asset_entry=AssetEntry(
                    asset_key=key, last_materialization_record=own[key], last_run_id=own[key].run_id
                ),
            )
            for key in asset_keys
        ]

    def has_table(self, table_name: str) -> bool:
        """Return whether the database has a table of Dagster's. No release of Dagster takes one away."""
        return self._seen.once(f"table {table_name}", functools.partial(super().has_table, table_name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """Return whether the table of assets has a column. No release of Dagster takes one away."""
        return self._seen.once(f"column {column_name}", functools.partial(super().has_asset_key_col, column_name))

    def dispose(self) -> None:
        """Close the connection that was kept."""
        super().dispose()
        self._engine.dispose()

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Create the pool if it is missing, one process at a time.

        Two runs may use a pool for the first time at once. Dagster inserts the pool and, when another run was first,
        continues in a transaction that PostgreSQL has aborted, which fails the run.
        """
        with one_process_at_a_time(self.postgres_url):
            return concurrency_key in self.get_concurrency_keys() or super().initialize_concurrency_limit_to_default(
                concurrency_key
            )

    def set_concurrency_slots(self, concurrency_key: str, num: int) -> None:
        """Give the pool so many slots, one process at a time, for the same reason."""
        with one_process_at_a_time(self.postgres_url):
            super().set_concurrency_slots(concurrency_key, num)


def _evaluated(event: EventLogEntry) -> EvaluatedCheck | None:
    data = event.dagster_event and event.dagster_event.event_specific_data
    if not isinstance(data, AssetCheckEvaluation):
        return None
    status = CheckStatus.SUCCEEDED if data.passed else CheckStatus.FAILED
    target = data.target_materialization_data
    return EvaluatedCheck(
        data.asset_key.to_string(), data.check_name, data.partition, status.value, target.storage_id if target else None
    )


def _planned(number: int, event: EventLogEntry) -> Iterator[PlannedCheck]:
    data = event.dagster_event and event.dagster_event.event_specific_data
    if isinstance(data, AssetCheckEvaluationPlanned):
        partitions = data.partitions_subset.get_partition_keys() if data.partitions_subset else [None]
        for partition in partitions:
            yield PlannedCheck(number, data.asset_key.to_string(), data.check_name, partition)
