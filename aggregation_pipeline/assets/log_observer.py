"""The progress of a window as log lines in the UI, and for whoever observes the run."""

import logging
import time

from dagster import DagsterLogManager

from aggregation_pipeline.export.observer import RunObserver

_SECONDS_BETWEEN_LINES = 10.0
_file_log = logging.getLogger(__name__)


class LogObserver:
    """Logs steps as they come, and rows with their rate every ten seconds.

    Args:
        log: the log of the run.
        table: the name of the entry.
        window: the name of the window.
        run_observer: gets rows and warnings as well.
        one_of_many: the run is over many windows. Their steps go to the log files only, at LOG_LEVEL=debug: each line
            that a run logs is a row in Dagster's storage, and thousands of them hide the few that matter.
        warned: the warnings of earlier windows of the run. They are about the table, so they are not repeated; new ones
            are added.
    """

    def __init__(
        self,
        log: DagsterLogManager,
        table: str,
        window: str,
        run_observer: RunObserver,
        *,
        one_of_many: bool,
        warned: set[str],
    ) -> None:
        self._log = log
        self._table = table
        self._name = f"{table} {window}"
        self._run_observer = run_observer
        self._log_step = _file_log.debug if one_of_many else log.info
        self._warned = warned
        self._warned_before = frozenset(warned)
        self._started = self._last_line = time.monotonic()

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        """See `export.observer.Observer`."""
        self._run_observer.progress(self._table, dataset, done, total)
        now = time.monotonic()
        if now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        share = f" of {total:,} ({done / total:.0%})" if total else ""
        self._log.info(
            f"{self._name}: {dataset}: {done:,}{share} rows read, {done / (now - self._started):,.0f} a second"
        )

    def step(self, text: str) -> None:
        """See `export.observer.Observer`."""
        self._log_step("%s: %s", self._name, text)

    def warn(self, text: str) -> None:
        """See `export.observer.Observer`."""
        if text in self._warned_before:
            _file_log.debug("%s: %s", self._name, text)
            return
        self._warned.add(text)
        self._log.warning(f"{self._name}: {text}")
        # The terminal does not show Dagster's own log lines.
        self._run_observer.warn(f"{self._name}: {text}")
