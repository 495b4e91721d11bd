"""One op a table: its asset, an asset a format, and its manifest. Lineage shows each; one process, lock and snapshot serve all."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    RetryRequested,
    multi_asset,
)

from aggregation_pipeline.assets.describe import Metadata, format_metadata, manifest_metadata, table_metadata
from aggregation_pipeline.assets.names import export_key, manifest_key, op_name, segment, table_key
from aggregation_pipeline.assets.observer import LogObserver
from aggregation_pipeline.assets.sources import source_of
from aggregation_pipeline.assets.windows import logical_time, run_window
from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.export import Exported, export_window, render_window
from aggregation_pipeline.io_managers.oss import TABLE_METADATA, OSSIOManager
from aggregation_pipeline.locks import window_lock
from aggregation_pipeline.source.reader import ReadRequest
from aggregation_pipeline.source.session import SourceOptions
from aggregation_pipeline.storage import keys

_KINDS = {"json": {"json"}, "csv": {"csv"}, "excel": {"excel"}, "parquet": {"parquet"}}
# Only what may pass by itself is retried, after about 10 and 30 seconds.
_RETRIES = 2


@dataclass(frozen=True)
class TableJob:
    """Everything that a table's op works with; the same for all its runs.

    Attributes:
        formats: that the table is exported in.
        source: gives the database when a run asks; without one configured only running fails, not loading.
        locks_url: PostgreSQL that holds the window locks.
        versioned: the files of each run stay, in folders of their own.
    """

    entry: TableEntry
    formats: Sequence[str]
    source: Callable[[], SourceOptions]
    database: str
    zone: ZoneInfo
    locks_url: str
    versioned: bool = False


def build_table(job: TableJob) -> AssetsDefinition:
    """Build the assets of one entry."""

    @multi_asset(
        name=op_name(job.entry.name),
        specs=table_specs(job),
        can_subset=True,
        required_resource_keys={"io_manager"},
        pool=source_pool(job.database),
    )
    def aggregate(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        try:
            yield from _run(context, job)
        except PipelineError as error:
            if error.retryable:
                raise RetryRequested(_RETRIES, seconds_to_wait=_pause(context.retry_number)) from error
            raise Failure(f"{job.entry.name}: {error}") from error

    return aggregate


def source_pool(database: str) -> str:
    """Name the pool that all tables read through one connection share: a slot is an open snapshot on that database's server."""
    return f"source_{segment(database)}"


def _pause(attempt: int) -> float:
    # Jitter keeps tables that lost the same server from coming back at the same moment.
    return 10.0 * (3.0**attempt) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def table_specs(job: TableJob) -> list[AssetSpec]:
    """Describe the assets of an entry, apart from what computes them."""
    entry = job.entry
    source = source_of(entry, job.database)
    common: dict[str, Any] = {"owners": entry.owners, "tags": entry.tags, "skippable": True}
    metadata = {TABLE_METADATA: entry.name, "aggregation/platform": entry.platform}
    table = AssetSpec(
        table_key(entry.name),
        deps=[source.key],
        group_name="aggregation",
        kinds={"mysql", "python"},
        description=entry.description or f"`{entry.name}`: what aggregation.yaml asks of the MySQL table `{entry.table}`, in one snapshot.",
        metadata=metadata | {"dagster/table_name": source.metadata["dagster/table_name"]},
        **common,
    )
    exports = [
        AssetSpec(
            export_key(entry.name, name),
            deps=[table.key],
            group_name="exports",
            kinds=_KINDS[name],
            description=f"`{entry.name}` as {name} files.",
            metadata=metadata,
            **common,
        )
        for name in job.formats
    ]
    manifest = AssetSpec(
        manifest_key(entry.name),
        deps=[table.key, *(spec.key for spec in exports)],
        group_name="exports",
        kinds={"json"},
        description=f"The commit mark of `{entry.name}`, written last: it names every file of the window with rows, bytes and checksum.",
        metadata=metadata,
        **common,
    )
    return [table, *exports, manifest]


def _run(context: AssetExecutionContext, job: TableJob) -> Iterator[MaterializeResult[Any]]:
    entry = job.entry
    manager: OSSIOManager = context.resources.io_manager
    selected = context.selected_asset_keys
    formats = [name for name in job.formats if export_key(entry.name, name) in selected]
    reads = table_key(entry.name) in selected
    moment = logical_time(context.run, context.instance)
    # A format on its own belongs to the data that is there, whatever day it is.
    window = run_window(context.run, moment, job.zone) if reads else manager.latest_manifest(entry.name).window
    holder = f"aggregation run {context.run.run_id[:8]}"
    started = time.monotonic()
    observer = LogObserver(context.log, entry.name, window)
    # latest.json belongs to all windows of the table, which runs publish side by side: it is locked like a window of that name.
    latest = partial(window_lock, job.locks_url, manager.prefix, entry.name, keys.LATEST, holder=holder, on_wait=context.log.info)
    with window_lock(job.locks_url, manager.prefix, entry.name, window, holder=holder, on_wait=context.log.info) as lock:
        publication = manager.publication(context.run.run_id, lock.assert_held, entry.options, alone=latest, versioned=job.versioned)
        if reads:
            request = ReadRequest(entry, window, moment, job.zone, publication.options.zero_dates)
            exported = export_window(request, job.source(), formats, publication, observer)
        else:
            exported = render_window(entry.name, window, formats, publication, observer)
        yield from _results(context, job, exported, time.monotonic() - started)


def _results(context: AssetExecutionContext, job: TableJob, exported: Exported, seconds: float) -> Iterator[MaterializeResult[Any]]:
    name, manager = job.entry.name, context.resources.io_manager
    selected = context.selected_asset_keys
    uri = manager.store.uri(keys.manifest_key(manager.prefix, name, exported.manifest.window))
    described: list[tuple[AssetKey, Metadata]] = [
        (table_key(name), table_metadata(exported)),
        *((export_key(name, output), format_metadata(exported, output, manager.store, manager.link_seconds)) for output in job.formats),
    ]
    yield from (MaterializeResult(key, metadata=metadata) for key, metadata in described if key in selected)
    last = manifest_metadata(exported, manager.store, uri, job.entry.platform, seconds, context.retry_number + 1)
    if manifest_key(name) in selected:
        yield MaterializeResult(manifest_key(name), metadata=last)
    else:
        # The manifest was written all the same; its asset says so, although nobody asked for it.
        context.log_event(AssetMaterialization(manifest_key(name), metadata=last))
