"""The row of a run, written by the run's own process: when it begins and when it ends; without a daemon, while its
tables are done too.

The sensors look every ten seconds, and only while a daemon runs. A run that somebody deletes in Dagster before the
first look would have no row, and one that was deleted after its success would look as if it had never ended. This is
best effort: the reconciler stays the truth.
"""

import logging
import time
from collections.abc import Callable, Collection

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, EventLogEntry

from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, OpenRepository
from aggregation_pipeline.runs.asset_keys import MANIFEST, parse_key

log = logging.getLogger(__name__)
# For one write, besides the five that a connection may take. A run loses so much at its beginning and at its end, at
# most.
SECONDS = 5.0
_ENDINGS = {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
_STEPS = {DagsterEventType.RUN_START, DagsterEventType.STEP_FAILURE, DagsterEventType.ASSET_MATERIALIZATION}

# Brings the row of a run up to date. The arguments are the instance, the run's id and the rows.
WriteRow = Callable[[DagsterInstance, str, BatchJobRepository], object]
# Begins to follow a run of this process.
StartLiveUpdates = Callable[[DagsterInstance, str], None]


class LiveUpdates:
    """Writes the rows of runs of this process. Nothing that goes wrong here reaches a run."""

    def __init__(self, open_repository: OpenRepository, write: WriteRow) -> None:
        self._open_repository = open_repository
        self._write = write

    def start(self, instance: DagsterInstance, run_id: str) -> None:
        """Write the row of a run that has just begun, and again when it ends. In between, the daemon's sensors show how
        it gets on.
        """
        row = _Row(instance, run_id, self._open_repository, self._write, on=_ENDINGS)
        instance.add_event_listener(run_id, row.hear)
        row.write()

    def start_before_run(self, instance: DagsterInstance, run_id: str) -> None:
        """Write the row of a run that is still to begin, with all of its events that a row tells of: there may be no
        daemon.
        """
        row = _Row(instance, run_id, self._open_repository, self._write, on=_ENDINGS | _STEPS)
        instance.add_event_listener(run_id, row.hear)


class _Row:
    """One run's row. `_busy`: batch_jobs did not answer, and is not waited for again before the end of the run."""

    def __init__(
        self,
        instance: DagsterInstance,
        run_id: str,
        open_repository: OpenRepository,
        write: WriteRow,
        *,
        on: Collection[DagsterEventType],
    ) -> None:
        self._instance, self._run_id, self._on = instance, run_id, on
        self._open_repository, self._write = open_repository, write
        self._busy, self._not_before = False, 0.0

    def hear(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.event_type not in self._on:
            return
        if event.event_type != DagsterEventType.ASSET_MATERIALIZATION or _is_manifest(event):
            self.write(last=event.event_type in _ENDINGS)

    def write(self, *, last: bool = False) -> None:
        # A batch_jobs that does not answer is waited for once, not after every table.
        if not last and (self._busy or time.monotonic() < self._not_before):
            return
        started = time.monotonic()
        try:
            with self._open_repository(SECONDS) as rows:
                rows.ensure()
                self._write(self._instance, self._run_id, rows)
        except Exception as error:  # noqa: BLE001 - whatever it is, the export goes on; the reconciler makes it good
            self._busy = True
            log.warning("batch_jobs: %s", error)
        # Each time the whole run is read again, which grows with its windows: progress may take a tenth of the run's
        # time, not more.
        self._not_before = time.monotonic() + 9 * (time.monotonic() - started)


def _is_manifest(event: DagsterEvent) -> bool:
    # It is made last: the window is done.
    place = parse_key(event.asset_key.path) if event.asset_key else None
    return place is not None and place.output == MANIFEST
