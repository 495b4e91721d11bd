"""The files of a tick in the shape of the Node.js service, as an asset behind the tables of the tick's job.

A run of its own writes them, after the run of the tick: in that run Dagster would leave the asset out as soon as one
table fails, and the service wrote its files all the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DagsterRun,
    Failure,
    MaterializeResult,
    MetadataValue,
    RetryRequested,
    asset,
)

from aggregation_pipeline.assets import retries
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.assets.windows_of_run import whole_table_window
from aggregation_pipeline.config.compat import NodeFiles
from aggregation_pipeline.config.sql.table_names import as_segment
from aggregation_pipeline.errors import PipelineError, StorageError
from aggregation_pipeline.node_files.names import NodeFile, NodeFormat, key_of
from aggregation_pipeline.resources.heartbeat import HEARTBEAT
from aggregation_pipeline.resources.publisher import PUBLISHER, Publisher
from aggregation_pipeline.runs.asset_keys import NODE_FILES_GROUP, node_files_path, segment
from aggregation_pipeline.runs.batch_job_text import first_lines, without_secrets
from aggregation_pipeline.runs.logical_time import logical_time
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.runs.tags import ROW_COUNT_KEY, TICK_RUN_TAG

if TYPE_CHECKING:
    from aggregation_pipeline.export.node_tick import TickTable, WrittenFile


@dataclass(frozen=True)
class NodeTick:
    """What is written for the ticks of one job.

    Attributes:
        job: the job that computes the tables.
        tables: those of the job; none has partitions.
        broken: why other tables cannot be used, by name; the files say so.
        name: of the files with all tables.
        options: of aggregation.yaml.
        formats: which files there are.
        zone: that of the service's process.
        secrets: must not show in the errors of tables.
    """

    job: str
    tables: Sequence[ConfiguredTable]
    broken: Mapping[str, str]
    name: str
    options: NodeFiles
    formats: Sequence[NodeFormat]
    zone: ZoneInfo
    secrets: Sequence[str] = ()

    @property
    def key(self) -> AssetKey:
        """The key of the asset."""
        return AssetKey(node_files_path(self.job))

    def planned_keys(self, stamp: datetime) -> list[str]:
        """The keys of the files of the tick at `stamp`, if each table has rows."""
        forms = [form for form in self.formats if form != "csv"]
        files = [NodeFile(self.name, stamp, form) for form in forms]
        if "csv" in self.formats:
            files += [NodeFile(as_segment(table.entry.name), stamp, "csv") for table in self.tables]
        return [key_of(file, self.zone, self.options.keys) for file in files]

    def covered_by(self, runs: Sequence[DagsterRun]) -> bool:
        """Whether runs of the job are over all its tables together, so that the end of the last is that of a tick."""
        keys = {table_key(table.entry.name) for table in self.tables}
        covered = set[AssetKey]()
        for run in runs:
            if run.job_name == self.job and not run.resolved_op_selection:
                # Without a selection it is over all assets of the job.
                covered |= run.asset_selection or keys
        return keys <= covered


def build_node_files(tick: NodeTick) -> AssetsDefinition:
    """Build the asset. Materialized by hand, it is made of the newest window of each table."""

    @asset(
        key=tick.key,
        deps=[table_key(table.entry.name) for table in tick.tables],
        group_name=NODE_FILES_GROUP,
        kinds=set(tick.formats),
        description=(
            f"All tables of {tick.job} as the Node.js service wrote them ({', '.join(tick.formats)}), under"
            f" `{tick.options.keys}`: made of what the tables have published, also where some of them failed."
        ),
        required_resource_keys={PUBLISHER, HEARTBEAT},
    )
    def write(context: AssetExecutionContext) -> MaterializeResult[Any]:
        try:
            return _write(context, tick, getattr(context.resources, PUBLISHER))
        except PipelineError as error:
            if retries.will_be_retried(error, context.retry_number):
                pause = retries.seconds_to_wait(context.retry_number)
                raise RetryRequested(retries.MAX_RETRIES, seconds_to_wait=pause) from error
            raise Failure(str(error)) from error

    return write


@redact_errors
def _write(context: AssetExecutionContext, tick: NodeTick, publisher: Publisher) -> MaterializeResult[Any]:
    from aggregation_pipeline.export.node_tick import NodeDestination, TickTable, publish_tick

    run_ids = context.run.tags.get(TICK_RUN_TAG)
    if run_ids is None:
        stamp = logical_time(context.run, context.instance)
        tables = [_newest(table, publisher) for table in tick.tables]
    else:
        stamp, tables = _of_runs(context.instance, run_ids.split(","), tick, publisher)
    entries = {table.entry.name: table.entry for table in tick.tables}
    broken = [TickTable(name, None, None, why) for name, why in tick.broken.items() if name not in entries]
    destination = NodeDestination(publisher.store, publisher.temp_dir, tick.options, tick.formats, tick.name, tick.zone)
    files = publish_tick([*tables, *broken], stamp, destination, context.log.info)
    return MaterializeResult(metadata=_metadata(files, publisher, stamp))


def _of_runs(
    instance: DagsterInstance, run_ids: Sequence[str], tick: NodeTick, publisher: Publisher
) -> "tuple[datetime, list[TickTable]]":
    """The moment of the tick, and what its runs have published of each table; of two runs over one, the later one."""
    from aggregation_pipeline.export.node_tick import TickTable
    from aggregation_pipeline.storage.published import load_manifest

    runs = [_existing(instance, run_id) for run_id in run_ids]
    moment = logical_time(runs[0], instance)
    errors = {run.run_id: _errors_of(instance, run, tick) for run in runs}
    found = []
    for table in tick.tables:
        name = table.entry.name
        run = next(run for run in reversed(runs) if not run.asset_selection or table_key(name) in run.asset_selection)
        error = errors[run.run_id][name]
        window = whole_table_window(table, run.tags, moment).name
        manifest = None if error else load_manifest(publisher.store, publisher.prefix, name, window)
        safe = None if error is None else first_lines(without_secrets(error, tick.secrets))
        found.append(TickTable(name, table.entry, manifest, safe))
    return moment, found


def _existing(instance: DagsterInstance, run_id: str) -> DagsterRun:
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise StorageError(f"the run {run_id} is not there any more, so nobody knows which windows it published")
    return run


def _errors_of(instance: DagsterInstance, run: DagsterRun, tick: NodeTick) -> Mapping[str, str | None]:
    """Why tables failed in a run, by name."""
    from aggregation_pipeline.runs.event_log import run_events
    from aggregation_pipeline.runs.results import result_of_run

    names = {segment(table.entry.name): table.entry.name for table in tick.tables}
    events = run_events(instance, run.run_id, names) or []
    result = result_of_run(run.run_id, names, events, succeeded=run.is_success, seconds=0.0)
    return {name: table.error for name, table in result.tables.items()}


def _newest(table: ConfiguredTable, publisher: Publisher) -> "TickTable":
    from aggregation_pipeline.export.node_tick import TickTable

    name = table.entry.name
    try:
        return TickTable(name, table.entry, publisher.latest_manifest(name))
    except StorageError as error:
        if error.retryable:
            raise
        return TickTable(name, table.entry, None, str(error))


def _metadata(files: "Sequence[WrittenFile]", publisher: Publisher, stamp: datetime) -> dict[str, Any]:
    shown = [
        {"uri": publisher.store.uri(file.key), "format": file.format, "table": file.table, "rows": file.rows}
        | {"bytes": file.bytes}
        for file in files
    ]
    whole = max((file.rows for file in files if file.table is None), default=0)
    return {
        ROW_COUNT_KEY: whole or sum(file.rows for file in files),
        "tick": stamp.isoformat(),
        "bytes": sum(file.bytes for file in files),
        "files": MetadataValue.json(shown),
    }
