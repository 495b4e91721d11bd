"""The row of a run, written by the run's own process when it begins and when it ends.

Sensors look every ten seconds, and only while a daemon runs. Without this, a run that is deleted in Dagster before the
first look has no row, and one that is deleted right after its success looks as if it had never ended. The writes may
fail: the reconciler repairs what they miss.
"""

import logging
import time
from collections.abc import Callable, Collection

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, EventLogEntry

from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.runs.asset_keys import MANIFEST, parse_asset_key
from aggregation_pipeline.runs.model import BatchJobRow

log = logging.getLogger(__name__)
# For one write, on top of the five seconds that connecting may take. A run loses at most this at its beginning, and
# again at its end.
WRITE_SECONDS = 5.0
_RUN_ENDED = {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
_PROGRESS = {DagsterEventType.RUN_START, DagsterEventType.STEP_FAILURE, DagsterEventType.ASSET_MATERIALIZATION}

# Returns the row of a run as it is now, None if it has none. The arguments are the instance and the run's id.
ReadRow = Callable[[DagsterInstance, str], BatchJobRow | None]


class LiveUpdates:
    """Writes the rows of runs of this process. No error in here reaches a run."""

    def __init__(self, open_repository: OpenRepository, close: Callable[[], None], read: ReadRow) -> None:
        self._open_repository = open_repository
        self._close = close
        self._read = read

    def start(self, instance: DagsterInstance, run_id: str) -> None:
        """Write the row of a run that has just begun, and again when it ends.

        In between, the daemon's sensors show the progress.
        """
        updates = self._listen(instance, run_id, _RUN_ENDED)
        updates.write()

    def start_before_run(self, instance: DagsterInstance, run_id: str) -> None:
        """Write the row of a run that is about to begin, at every event that changes it: there may be no daemon."""
        self._listen(instance, run_id, _RUN_ENDED | _PROGRESS)

    def _listen(self, instance: DagsterInstance, run_id: str, events: Collection[DagsterEventType]) -> "_RowUpdates":
        updates = _RowUpdates(instance, run_id, self._open_repository, self._close, self._read, events=events)
        instance.add_event_listener(run_id, updates.on_event)
        return updates


class _RowUpdates:
    """Updates of one run's row."""

    def __init__(
        self,
        instance: DagsterInstance,
        run_id: str,
        open_repository: OpenRepository,
        close: Callable[[], None],
        read: ReadRow,
        *,
        events: Collection[DagsterEventType],
    ) -> None:
        self._instance, self._run_id, self._events = instance, run_id, events
        self._open_repository, self._close, self._read = open_repository, close, read
        self._table_is_there, self._failed, self._not_before = False, False, 0.0

    def on_event(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.event_type not in self._events:
            return
        if event.event_type != DagsterEventType.ASSET_MATERIALIZATION or _is_manifest(event):
            self.write(last=event.event_type in _RUN_ENDED)

    def write(self, *, last: bool = False) -> None:
        # When batch_jobs did not answer, only the last write tries again: the run does not wait after every table.
        if not last and (self._failed or time.monotonic() < self._not_before):
            return
        started = time.monotonic()
        try:
            # Before batch_jobs is opened: reading the events of thousands of tables takes longer than a write may.
            if (row := self._read(self._instance, self._run_id)) is not None:
                self._record(row)
        except Exception as error:  # noqa: BLE001 - no error may fail the run; the reconciler writes the row later
            self._failed = True
            log.warning("batch_jobs: %s", error)
        if last:
            self._close()
        # Each write reads all events of the run again, which grow with its windows: writes may take a twentieth of the
        # run's time.
        self._not_before = time.monotonic() + 19 * (time.monotonic() - started)

    def _record(self, row: BatchJobRow) -> None:
        with self._open_repository(WRITE_SECONDS) as repository:
            if not self._table_is_there:
                repository.ensure_table()
                self._table_is_there = True
            (change,) = repository.record_all([row]).values()
        if isinstance(change, Exception):
            raise change


def _is_manifest(event: DagsterEvent) -> bool:
    # The manifest is materialized last, when its window is published.
    key = parse_asset_key(event.asset_key.path) if event.asset_key else None
    return key is not None and key.output == MANIFEST
