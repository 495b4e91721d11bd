"""What a table's op does: it publishes every window of the run, in one process, and tells Dagster what is published.

earlier attempts -> windows of the run -> publish each -> outputs or single materializations -> check results
"""

from collections.abc import Iterator
from typing import Any

from dagster import AssetExecutionContext, AssetMaterialization, MaterializeResult

from aggregation_pipeline.assets.checks import Reported, check_results
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.log_observer import PacedLog
from aggregation_pipeline.assets.retries import will_be_retried
from aggregation_pipeline.assets.run_outcome import (
    RunOutcome,
    outputs,
    published_windows,
    recorded_by_earlier_attempts,
)
from aggregation_pipeline.assets.source_assets import observe_source
from aggregation_pipeline.assets.table_run import TableRun
from aggregation_pipeline.assets.windows_of_run import windows_of_run
from aggregation_pipeline.export.observer import RunObserver
from aggregation_pipeline.export.published import check_published
from aggregation_pipeline.instance.log_context import working_on
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.redaction import redact_errors

OpEvents = Iterator[MaterializeResult[Any] | AssetMaterialization | Reported]


@redact_errors
def run_table(
    context: AssetExecutionContext, table: ConfiguredTable, publisher: Publisher, observer: RunObserver
) -> OpEvents:
    """Publish every window of the run; one that fails does not lose the others.

    Raises:
        PartitionsFailedError: names the windows that failed. Those that are published are recorded as materialized.
        PipelineError: the only window of a table without partitions failed.
    """
    with working_on(context.run.run_id, table.entry.name):
        yield from _publish_windows(context, table, publisher, observer)


def _publish_windows(
    context: AssetExecutionContext, table: ConfiguredTable, publisher: Publisher, observer: RunObserver
) -> OpEvents:
    partitioned = table.partitions is not None
    outcome = RunOutcome(recorded_by_earlier_attempts(context, table.keys.manifest, partitioned=partitioned))
    windows = windows_of_run(context, table, publisher)
    missing = [window for window in windows if window.partition_key not in outcome.recorded]
    try:
        TableRun(context, table, publisher, observer, outcome, PacedLog(context.log)).publish(missing)
    except BaseException as error:
        yield from _report_failure(context, table, outcome, error)
        raise
    yield from _report_success(context, table, outcome)


@redact_errors
def run_checks(context: AssetExecutionContext, table: ConfiguredTable, publisher: Publisher) -> OpEvents:
    """Evaluate the checks of the newest window as it is published: what "Execute" on a check asks for.

    Raises:
        PipelineError: nothing is published yet, or the stored extract has expired.
    """
    entry, run_id = table.entry, context.run.run_id
    with working_on(run_id, entry.name):
        window = publisher.latest_manifest(entry.name).window
    with working_on(run_id, entry.name, window):
        context.log.info("%s %s: checking what is published", entry.name, window)
        results = check_published(entry, window, publisher.unlocked(entry, run_id))
    key = None if table.partitions is None else window
    yield from check_results(context, table, {key: results})


def _report_success(context: AssetExecutionContext, table: ConfiguredTable, outcome: RunOutcome) -> OpEvents:
    if outcome.last_manifest is not None and table.keys.table in context.selected_asset_keys:
        observe_source(context, table, outcome.last_manifest)
    # Dagster ties a check result to the newest materialization that it knows of. So the outputs come first.
    yield from outputs(context, outcome)
    yield from check_results(context, table, outcome.check_results)


def _report_failure(
    context: AssetExecutionContext, table: ConfiguredTable, outcome: RunOutcome, error: BaseException
) -> OpEvents:
    # Yielded, not logged: what is logged is stored with what is yielded next, and check results look it up.
    yield from published_windows(outcome)
    results = outcome.check_results
    if will_be_retried(error, context.retry_number):
        # The next attempt leaves alone what is published, and checks the rest anew.
        results = {key: found for key, found in results.items() if key in outcome.published}
    yield from check_results(context, table, results)
