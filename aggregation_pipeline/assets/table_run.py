"""One run of a table's op: it publishes window after window, and one that fails does not lose the others."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster import AssetExecutionContext

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.log_observer import LogObserver, PacedLog
from aggregation_pipeline.assets.metadata import window_metadata
from aggregation_pipeline.assets.partition_failures import partitions_failed
from aggregation_pipeline.assets.retries import is_hopeless
from aggregation_pipeline.assets.run_outcome import RunOutcome
from aggregation_pipeline.assets.windows_of_run import RequestedWindow
from aggregation_pipeline.errors import CheckError, PipelineError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import RunObserver
from aggregation_pipeline.export.published import render_window
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.instance.log_context import working_on
from aggregation_pipeline.resources.publisher import Publisher


@dataclass(frozen=True)
class TableRun:
    """Publishes windows and adds each to `outcome`.

    Attributes:
        observer: of the process that the run is in.
        outcome: what the op has done so far.
        log: how far it is.
        warned: the warnings of the run's windows; they are not repeated for the next windows.
    """

    context: AssetExecutionContext
    table: ConfiguredTable
    publisher: Publisher
    observer: RunObserver
    outcome: RunOutcome
    log: PacedLog
    warned: set[str] = field(default_factory=set)

    def publish(self, windows: Sequence[RequestedWindow]) -> None:
        """Publish the windows in order.

        Raises:
            PartitionsFailedError: some partitions failed.
            PipelineError: the only window of a table without partitions failed.
        """
        failures = self.outcome.failures
        for number, window in enumerate(windows, start=1):
            with working_on(self.context.run.run_id, self.table.entry.name, window.name):
                error = self._try(window, number, len(windows))
                if error is None:
                    continue
                if window.partition_key is None:
                    raise error
                failures[window.partition_key] = error
                self.context.log.error("%s %s: %s", self.table.entry.name, window.name, error)
            if is_hopeless(list(failures.values()), self.context.retry_number):
                break
        if failures:
            untried = len(windows) - len(failures) - len(self.outcome.published)
            raise partitions_failed(failures, untried=untried)

    def _try(self, window: RequestedWindow, number: int, total: int) -> PipelineError | None:
        """Publish one window and add it to the outcome; return the error if that fails."""
        key, outcome = window.partition_key, self.outcome
        started = time.monotonic()
        try:
            exported = self._export(window)
            seconds = time.monotonic() - started
            outcome.published[key] = window_metadata(
                exported,
                self.table,
                self.publisher,
                selected=self.context.selected_asset_keys,
                seconds=seconds,
                attempt=self.context.retry_number + 1,
            )
        except PipelineError as error:
            if isinstance(error, CheckError):
                outcome.check_results[key] = error.check_results
            return error
        outcome.check_results[key] = exported.check_results
        outcome.last_manifest = exported.manifest
        self._report(exported, seconds, number, total)
        return None

    def _export(self, window: RequestedWindow) -> ExportedWindow:
        """Publish one window under its lock."""
        context, entry = self.context, self.table.entry
        observer = LogObserver(context.log, self.log, entry.name, window.name, self.observer, warned=self.warned)
        with self.publisher.locked(entry, window.name, context.run.run_id, context.log.info) as destination:
            if self.table.keys.table in context.selected_asset_keys:
                return self._read_and_export(window, destination, observer)
            return render_window(entry, window.name, self._selected_formats(), destination, observer)

    def _read_and_export(
        self, window: RequestedWindow, destination: Destination, observer: LogObserver
    ) -> ExportedWindow:
        # "Materialize" on the table's page selects no format. A window without files would take those away that its
        # readers have, so it gets all of them.
        formats = self._selected_formats() or self.table.formats
        return export_window(
            window.read_request(self.table.entry, destination.options.zero_dates),
            self.table.source(),
            formats,
            destination,
            observer,
            # A format that is no longer configured goes; one that was not selected this time stays.
            keep_others=len(formats) < len(self.table.formats),
        )

    def _selected_formats(self) -> Sequence[str]:
        selected = self.context.selected_asset_keys
        return [name for name in self.table.formats if self.table.keys.export(name) in selected]

    def _report(self, exported: ExportedWindow, seconds: float, number: int, total: int) -> None:
        """Report how far the run is: a log line, and with many windows a step of the progress bar."""
        manifest = exported.manifest
        rows = ", ".join(f"{dataset.rows:,} rows of {dataset.name}" for dataset in manifest.datasets)
        which = f"window {number} of {total} " if total > 1 else ""
        text = f"{manifest.table} {manifest.window}: {which}published in {seconds:.1f} s, with {rows}"
        self.log.line(text, is_last=number == total)
        if total > 1:
            self.observer.progress(manifest.table, "windows", number, total)
