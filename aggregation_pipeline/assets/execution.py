"""What a table's op does: each window of the run in turn, in one process, and a word for Dagster about each that is
published.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    DagsterEventType,
    MaterializeResult,
)

from aggregation_pipeline.assets.checks import check_results
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.keys import export_key, manifest_key, table_key
from aggregation_pipeline.assets.metadata import Metadata, format_metadata, manifest_metadata, table_metadata
from aggregation_pipeline.assets.progress_log import LogObserver
from aggregation_pipeline.assets.sources import rows_of_source, source_metadata, source_of
from aggregation_pipeline.assets.windows_of_run import Target, partition_targets, whole_table
from aggregation_pipeline.errors import CheckError, ConfigError, PipelineError
from aggregation_pipeline.export import progress
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.published import check_published, render_window
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.io_managers.oss import OSSIOManager
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.runs.logical_time import logical_time
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.runs.tags import PARTITION_ROW_COUNT_KEY, ROW_COUNT_KEY
from aggregation_pipeline.source.mysql.table_state import TableState, open_state_session, read_table_state
from aggregation_pipeline.storage import keys
from aggregation_pipeline.storage.lock import NoLock
from aggregation_pipeline.storage.manifest import Manifest

MAX_RETRIES: Final = 2
# A server that is gone fails every window alike: on the last attempt so many in a row are proof enough.
_ENOUGH: Final = 3
_FAILURES_TOLD: Final = 20


class PartitionsFailedError(PipelineError):
    """Some partitions of a run failed; the others are published and recorded."""


class PartitionsLostError(PartitionsFailedError):
    """The same, and some of them may succeed on another try."""

    retryable = True


Described = Mapping[AssetKey, Metadata]
Published = dict[str | None, Described]
Verdicts = dict[str | None, Sequence[CheckResult]]


@redact_errors
def run_table(
    context: AssetExecutionContext, job: ConfiguredTable
) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
    """Publish every window of the run; one that fails does not lose the others.

    Raises:
        PartitionsFailedError: names the windows that failed; those that are published are recorded as materialized all
            the same.
        PipelineError: the only window of a table without partitions failed.
    """
    published = _recorded(context, job)
    before = set(published)
    targets = [target for target in _targets(context, job) if target.key not in published]
    failures: dict[str, PipelineError] = {}
    verdicts: Verdicts = {}
    last: Manifest | None = None
    warned: set[str] = set()
    try:
        for number, target in enumerate(targets, start=1):
            observer = LogObserver(
                context.log, job.entry.name, target.name, one_of_many=len(targets) > 1, warned=warned
            )
            try:
                exported, seconds = _publish(context, job, target, observer)
                published[target.key], verdicts[target.key] = (
                    _described(context, job, exported, seconds),
                    exported.check_results,
                )
                last = exported.manifest
                _tell(context, exported, seconds, number, len(targets))
            except PipelineError as error:
                if isinstance(error, CheckError):
                    verdicts[target.key] = error.check_results
                if target.key is None:
                    raise
                failures[target.key] = error
                context.log.error("%s %s: %s", job.entry.name, target.name, error)  # noqa: TRY400  # the words say it all
                if _is_hopeless(list(failures.values()), attempts_left=MAX_RETRIES - context.retry_number):
                    break
        if failures:
            raise _failure(failures, untried=len(targets) - len(failures) - (len(published) - len(before)))  # noqa: TRY301
    except BaseException as error:
        may_be_retried = isinstance(error, PipelineError) and error.retryable and context.retry_number < MAX_RETRIES
        # Outputs speak for all partitions at once, and there will be none: what is published is recorded one by one.
        for key, described in published.items():
            for asset, metadata in described.items() if key not in before else ():
                context.log_event(AssetMaterialization(asset, partition=key, metadata=metadata))
        if not may_be_retried:
            yield from check_results(job.entry, context.selected_asset_check_keys, verdicts)
        raise
    if last is not None and table_key(job.entry.name) in context.selected_asset_keys:
        _observe_source(context, job, rows_of_source(job.entry, last))
    # Dagster ties a verdict to the newest materialization that it knows: this one, which therefore comes first.
    yield from _results(context, published, before)
    yield from check_results(job.entry, context.selected_asset_check_keys, verdicts)


@redact_errors
def run_checks(context: AssetExecutionContext, job: ConfiguredTable) -> Iterator[AssetCheckResult]:
    """Judge the newest window anew, as it is published: what "Execute" on a check asks for.

    Raises:
        PipelineError: nothing is published yet, or the stored extract has expired.
    """
    manager: OSSIOManager = context.resources.io_manager
    window = manager.latest_manifest(job.entry.name).window
    context.log.info("%s %s: judging what is published", job.entry.name, window)
    verdicts = check_published(
        job.entry, window, manager.publication(context.run.run_id, NoLock(), names=job.entry.names)
    )
    yield from check_results(
        job.entry, context.selected_asset_check_keys, {None if job.partitions is None else window: verdicts}
    )


def _targets(context: AssetExecutionContext, job: ConfiguredTable) -> Sequence[Target]:
    if job.partitions is None or job.entry.partition is None:
        moment = logical_time(context.run, context.instance)
        if table_key(job.entry.name) in context.selected_asset_keys:
            return [whole_table(context.run.tags, moment, job.zone)]
        # A format on its own belongs to the data that is there, whatever day it is.
        manager: OSSIOManager = context.resources.io_manager
        return [Target(manager.latest_manifest(job.entry.name).window, moment, job.zone)]
    if not (context.has_partition_key or context.has_partition_key_range):
        raise ConfigError(
            f"the table is partitioned by {job.entry.partition.every} of {job.entry.partition.column}, and this run was"
            " launched without a partition. Choose one in the launchpad, materialize the asset from its page, or run"
            " `aggregation-pipeline run`, which takes the newest that is complete."
        )
    return partition_targets(job.entry, job.partitions, context.partition_keys)


def _publish(
    context: AssetExecutionContext, job: ConfiguredTable, target: Target, observer: LogObserver
) -> tuple[ExportedWindow, float]:
    """Publish one window; returns what it has become, and the seconds that it took, waiting included."""
    entry = job.entry
    manager: OSSIOManager = context.resources.io_manager
    selected = context.selected_asset_keys
    formats = [name for name in job.formats if export_key(entry.name, name) in selected]
    if table_key(entry.name) in selected and not formats:
        # "Materialize" on the page of the table: a window without files would take those away that its readers have.
        formats = list(job.formats)
    holder = f"aggregation run {context.run.run_id[:8]}"
    started = time.monotonic()
    with window_lock(
        job.locks_url, manager.prefix, entry.name, target.name, holder=holder, on_wait=context.log.info
    ) as lock:
        publication = manager.publication(context.run.run_id, lock, entry.options, names=entry.names)
        if table_key(entry.name) in selected:
            request = target.request(entry, publication.options.zero_dates)
            # A format that is not configured any more goes; one that was not asked for this time stays.
            fewer = len(formats) < len(job.formats)
            exported = export_window(request, job.source(), formats, publication, observer, keep_others=fewer)
        else:
            exported = render_window(entry, target.name, formats, publication, observer)
    return exported, time.monotonic() - started


def _tell(context: AssetExecutionContext, exported: ExportedWindow, seconds: float, number: int, total: int) -> None:
    """Say how a run over many windows is getting on: a line and a step of the bar for each."""
    if total == 1:
        return
    manifest = exported.manifest
    rows = ", ".join(f"{dataset.rows:,} rows of {dataset.name}" for dataset in manifest.datasets)
    message = (
        f"{manifest.table} {manifest.window}: window {number} of {total} published in {seconds:.1f} s, with {rows}"
    )
    context.log.info(message)
    progress.tell(manifest.table, "windows", number, total)


def _observe_source(context: AssetExecutionContext, job: ConfiguredTable, rows: int | None) -> None:
    """Tell how the source table stands, so that its page shows how fresh it is. A run that has read it does not fail of
    that.
    """
    source = source_of(job.entry, job.database)
    try:
        state = _state_of_source(job)
    except PipelineError as error:
        context.log.info("how %s stands could not be asked: %s", job.entry.table, error)
        return
    context.log_event(AssetObservation(source.key, metadata=source_metadata(state, rows)))


@redact_errors
def _state_of_source(job: ConfiguredTable) -> TableState:
    with open_state_session(job.source(), job.zone) as session:
        return read_table_state(session, job.entry.source, job.partition_columns, job.entry.all_masked)


def _described(
    context: AssetExecutionContext, job: ConfiguredTable, exported: ExportedWindow, seconds: float
) -> Described:
    """Describe a window asset by asset, the manifest last."""
    name, manager = job.entry.name, context.resources.io_manager
    uri = manager.store.uri(keys.manifest_key(manager.prefix, name, exported.manifest.window))
    chosen: dict[AssetKey, Metadata] = {}
    if table_key(name) in context.selected_asset_keys:
        chosen[table_key(name)] = table_metadata(exported, job.entry, source_of(job.entry, job.database).key)
    # What was made and not asked for is told as well: all formats of a table that was materialized alone, and always
    # the manifest.
    for output in dict.fromkeys(file.format for file in exported.files):
        chosen[export_key(name, output)] = format_metadata(exported, output, manager.store, manager.link_seconds)
    chosen[manifest_key(name)] = manifest_metadata(
        exported, manager.store, uri, job.entry.platform, seconds, context.retry_number + 1
    )
    if job.partitions is not None:
        for metadata in chosen.values():
            metadata[PARTITION_ROW_COUNT_KEY] = metadata.pop(ROW_COUNT_KEY)
    return chosen


def _results(
    context: AssetExecutionContext, published: Published, before: Collection[str | None]
) -> Iterator[MaterializeResult[Any]]:
    """Outputs speak for all partitions of the run; what nobody selected is logged, unless an attempt `before` has done
    so.
    """
    made = next(iter(published.values()))
    for asset in [key for key in made if key in context.selected_asset_keys]:
        if None in published:
            yield MaterializeResult(asset, metadata=published[None][asset])
            continue
        for key, described in published.items():
            context.add_asset_metadata(described[asset], asset_key=asset, partition_key=key)
        yield MaterializeResult(asset)
    # After what they are made of, or Dagster takes them for out of date.
    for asset in [key for key in made if key not in context.selected_asset_keys]:
        for key, described in published.items():
            if key not in before:
                context.log_event(AssetMaterialization(asset, partition=key, metadata=described[asset]))


def _recorded(context: AssetExecutionContext, job: ConfiguredTable) -> Published:
    """What earlier attempts of this op have published, which a retry need not do again."""
    found: dict[str | None, dict[AssetKey, Metadata]] = {}
    if context.retry_number == 0 or job.partitions is None:
        return {}
    manifest, ours = manifest_key(job.entry.name), {spec.key for spec in context.assets_def.specs}
    cursor, more = None, True
    while more:
        page = context.instance.get_records_for_run(
            context.run.run_id, cursor=cursor, of_type=DagsterEventType.ASSET_MATERIALIZATION
        )
        for record in page.records:
            made = record.asset_materialization
            if made is not None and made.asset_key in ours and made.partition is not None:
                found.setdefault(made.partition, {})[made.asset_key] = dict(made.metadata)
        cursor, more = page.cursor, page.has_more
    return {key: described for key, described in found.items() if manifest in described}


def _is_hopeless(failures: Sequence[PipelineError], *, attempts_left: int) -> bool:
    """Whether to leave the remaining windows to a later attempt, or alone."""
    last = failures[-1 if attempts_left > 0 else -_ENOUGH :]
    return len(last) == (1 if attempts_left > 0 else _ENOUGH) and all(failure.retryable for failure in last)


def _failure(failures: Mapping[str, PipelineError], *, untried: int) -> "PartitionsFailedError":
    told = [f"{key}: {error}" for key, error in list(failures.items())[:_FAILURES_TOLD]]
    rest = len(failures) - len(told)
    lines = [
        f"{len(failures)} of its partitions failed: {', '.join(list(failures)[:200])}",
        *told,
        *([f"and {rest} more"] if rest else []),
        *([f"{untried} more were not tried, because the fault is not theirs"] if untried else []),
    ]
    kind = PartitionsLostError if any(error.retryable for error in failures.values()) else PartitionsFailedError
    return kind("\n".join(lines))
