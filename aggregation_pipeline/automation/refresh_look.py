"""What of one table is to be refreshed: its keys now, those of its manifests, the runs that are under way or failed."""

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.automation.refresh_windows import (
    Choice,
    Due,
    Published,
    Tries,
    choose,
    due_partitions,
    ranges_in,
)
from aggregation_pipeline.automation.refreshed_tables import RefreshedTable
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.errors import StorageBusyError, StorageDamagedError
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.run_records import run_info
from aggregation_pipeline.runs.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    REFRESH_TAG,
    RUN_KEY_TAG,
    WILL_RETRY_TAG,
)
from aggregation_pipeline.runs.unfinished import planned_by_unfinished_runs
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import load_manifest

# Requests to the store at a time.
_AT_ONCE: Final = 8
# So many failed runs of a table are looked at, the newest first.
_MOST_FAILURES: Final = 500


def look_at(
    instance: DagsterInstance, table: RefreshedTable, publisher: Publisher, *, now: datetime, seconds: float
) -> Choice:
    """Return what of a table is launched now.

    Args:
        instance: with the runs.
        table: with `refresh`.
        publisher: where it is published.
        now: the present.
        seconds: how long the database and the store may take together.

    Raises:
        SourceLostError: the database did not answer.
        SourceError: it refused the key, or the entry does not allow the scan.
        StorageError: the store refused, or took too long.
        MirrorError: Dagster's events cannot be read.
    """
    entry, definition, end = table.table.entry, table.table.partitions, time.monotonic() + seconds
    if entry.refresh is None or entry.partition is None or definition is None:
        return Choice(())
    ranges = ranges_in(entry.partition, definition, entry.refresh.look_back, now)
    if not ranges:
        return Choice(())
    sample = ReadRequest(entry, "", now, ZoneInfo(definition.timezone))
    source = table.table.source()
    keys = kind_of(source).read_keys(entry, ranges, source, seconds=max(1, int(seconds)), zone_of=sample)
    published = _published(publisher, entry.name, list(keys), end - time.monotonic())
    states = {key: Published(manifest.publication, manifest.refresh_key) for key, manifest in published.items()}
    due = due_partitions(keys, states)
    if not due:
        return Choice((), windows=len(keys))
    return choose(
        due,
        list(keys),
        busy=_busy(instance, entry.name, table.table.scope.name),
        tries=dict(_tries(instance, table, due, list(keys), published)),
        every=parse_duration(entry.refresh.every),
        now=now,
    )


def _published(publisher: Publisher, table: str, windows: Sequence[str], seconds: float) -> Mapping[str, Manifest]:
    """The manifests of the windows that have one."""

    def load(window: str) -> Manifest | None:
        try:
            return load_manifest(publisher.store, publisher.prefix, table, window)
        except StorageDamagedError:
            # The next run of the window replaces it; whether one is needed, nobody can tell from it.
            return None

    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="refresh")
    try:
        asked = {window: pool.submit(load, window) for window in windows}
        if wait(asked.values(), timeout=max(0.0, seconds)).not_done:
            raise StorageBusyError(f"the manifests of {len(windows)} windows could not be read in time; asked again")
        return {window: found for window, answer in asked.items() if (found := answer.result()) is not None}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _busy(instance: DagsterInstance, table: str, scope: str) -> set[str]:
    planned = planned_by_unfinished_runs(instance, {segment(table): table}, scope)
    return {key for _, events in planned for event in events for key in event.partitions if key is not None}


def _tries(
    instance: DagsterInstance,
    table: RefreshedTable,
    due: Sequence[Due],
    order: Sequence[str],
    published: Mapping[str, Manifest],
) -> Iterator[tuple[str, Tries]]:
    """The failed refreshes of each partition since its publication, of those that have any."""
    failures = [
        record
        for record in instance.get_run_records(
            RunsFilter(statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED], tags={REFRESH_TAG: table.name}),
            limit=_MOST_FAILURES,
        )
        if WILL_RETRY_TAG not in record.dagster_run.tags and _is_of(record, table)
    ]
    if not failures:
        return

    @functools.cache
    def launched(run_id: str) -> datetime:
        record = instance.get_run_record_by_id(run_id)
        return datetime.min.replace(tzinfo=UTC) if record is None else run_info(record).created_at

    for each in due:
        over = [record for record in failures if each.key in _partitions(record, order)]
        since = launched(published[each.key].run_id) if over else datetime.max.replace(tzinfo=UTC)
        ours = [run_info(record) for record in over if run_info(record).created_at > since]
        if ours:
            same = sum(each.state in run.tags.get(RUN_KEY_TAG, "").split(" ") for run in ours)
            yield each.key, Tries(max(run.completed_at or run.updated_at for run in ours), len(ours), same)


def _is_of(record: RunRecord, table: RefreshedTable) -> bool:
    """Whether the table is this component's: another one of the project may have a table of the same name."""
    selection = record.dagster_run.asset_selection
    return not selection or table.table.keys.table in selection


def _partitions(record: RunRecord, order: Sequence[str]) -> Sequence[str]:
    """The partitions of the look-back that a run was over."""
    tags = record.dagster_run.tags
    if PARTITION_NAME_TAG in tags:
        return [tags[PARTITION_NAME_TAG]]
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if last not in order:
        return ()
    return order[order.index(first) if first in order else 0 : order.index(last) + 1]
