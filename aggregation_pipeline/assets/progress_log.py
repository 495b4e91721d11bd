"""A window's progress as log lines in the UI, and for the terminal that may be listening."""

import logging
import time

from dagster import DagsterLogManager

from aggregation_pipeline.export import progress

_SECONDS_BETWEEN_LINES = 10.0
_files = logging.getLogger(__name__)


class LogObserver:
    """Log steps as they come, and rows with their rate every ten seconds.

    `one_of_many`: the steps of a run over many windows are for the log files alone, at LOG_LEVEL=debug. Each line that
    a run logs is a row in Dagster's storage, and thousands of them hide the few that matter.

    `warned`: what the windows before this one have warned of. The same words are not said again: they are of the table,
    not of a window.
    """

    def __init__(
        self,
        log: DagsterLogManager,
        table: str,
        window: str,
        *,
        one_of_many: bool = False,
        warned: set[str] | None = None,
    ) -> None:
        self._log = log
        self._warned = set[str]() if warned is None else warned
        self._before = frozenset(self._warned)
        self._step = _files.debug if one_of_many else log.info
        self._table = table
        self._name = f"{table} {window}"
        self._started = self._said = time.monotonic()

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        """See `export.Observer`."""
        progress.tell(self._table, dataset, done, total)
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        share = f" of {total:,} ({done / total:.0%})" if total else ""
        self._log.info(
            f"{self._name}: {dataset}: {done:,}{share} rows read, {done / (now - self._started):,.0f} a second"
        )

    def step(self, text: str) -> None:
        """See `export.Observer`."""
        self._step("%s: %s", self._name, text)

    def warn(self, text: str) -> None:
        """See `export.Observer`."""
        if text in self._before:
            _files.debug("%s: %s", self._name, text)
            return
        self._warned.add(text)
        self._log.warning(f"{self._name}: {text}")
        # Dagster's own lines are kept off the terminal.
        progress.warn(f"{self._name}: {text}")
