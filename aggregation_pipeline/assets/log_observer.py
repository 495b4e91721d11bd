"""The progress of a table as log lines in the UI, and for whoever observes the run."""

import logging
import time
from typing import Final

from dagster import DagsterLogManager

from aggregation_pipeline.export.observer import RunObserver

_SECONDS_BETWEEN_LINES: Final = 10.0
_file_log = logging.getLogger(__name__)


class PacedLog:
    """The log of one op, with a line every ten seconds at most.

    Each line that a run logs is a row in Dagster's storage, and thousands of them hide the few that matter. Lines that
    come too soon go to the log files only, at LOG_LEVEL=debug. Warnings and errors do not pass through here.
    """

    def __init__(self, log: DagsterLogManager) -> None:
        self._log = log
        self._last_line = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the next line goes into the run's log."""
        return time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES

    def line(self, text: str, *, is_last: bool = False) -> None:
        """Log a line; the last one of the op is never left out."""
        if is_last or self.is_due:
            self._last_line = time.monotonic()
            self._log.info(text)
        else:
            _file_log.debug("%s", text)


class LogObserver:
    """Logs the steps of a window, and its rows with their rate.

    Args:
        log: the log of the run; it gets the warnings.
        paced: the same log for all other lines.
        table: the name of the entry.
        window: the name of the window.
        run_observer: gets rows and warnings as well.
        warned: the warnings of earlier windows of the run. They are about the table, so they are not repeated; new ones
            are added.
    """

    def __init__(
        self,
        log: DagsterLogManager,
        paced: PacedLog,
        table: str,
        window: str,
        run_observer: RunObserver,
        *,
        warned: set[str],
    ) -> None:
        self._log = log
        self._paced = paced
        self._table = table
        self._name = f"{table} {window}"
        self._run_observer = run_observer
        self._warned = warned
        self._warned_before = frozenset(warned)
        self._started = time.monotonic()
        self._part = ""

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        """See `export.observer.Observer`."""
        self._run_observer.progress(self._table, dataset, done, total)
        if not self._paced.is_due:
            return
        share = f" of {total:,} ({done / total:.0%})" if total else ""
        rate = done / (time.monotonic() - self._started)
        self._paced.line(f"{self._name}: {dataset}: {done:,}{share} rows read, {rate:,.0f} a second{self._part}")

    def part(self, text: str) -> None:
        """See `export.observer.Observer`."""
        self._part = f", now of {text}" if text else ""
        self._run_observer.at(self._table, text)

    def step(self, text: str) -> None:
        """See `export.observer.Observer`."""
        self._paced.line(f"{self._name}: {text}")

    def warn(self, text: str) -> None:
        """See `export.observer.Observer`."""
        if text in self._warned_before:
            _file_log.debug("%s: %s", self._name, text)
            return
        self._warned.add(text)
        self._log.warning(f"{self._name}: {text}")
        # The terminal does not show Dagster's own log lines.
        self._run_observer.warn(f"{self._name}: {text}")
