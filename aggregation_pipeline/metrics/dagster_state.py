"""Metrics of what Dagster knows now: unfinished runs, its daemon, the mirror, and when tables were published."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dagster import AssetKey, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.workspace.context import WorkspaceProcessContext
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from aggregation_pipeline.batch_jobs.mirror_cursor import MirrorCursor
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.health.sensors import mirror_cursor
from aggregation_pipeline.metrics.labels import by_table, table_labels
from aggregation_pipeline.runs.asset_keys import segment, table_path
from aggregation_pipeline.runs.publications import last_publications
from aggregation_pipeline.runs.refresh_cursor import Asked, RefreshCursor

_UNFINISHED: Final = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
_LATE: Final = {FreshnessState.FAIL: 1.0, FreshnessState.PASS: 0.0, FreshnessState.WARN: 0.0}


def dagster_metrics(context: WorkspaceProcessContext, entries: Sequence[TableEntry]) -> Iterator[Metric]:
    """Yield the metrics. `entries` are the configured tables.

    Raises:
        SettingsError, MirrorError: Dagster's PostgreSQL does not answer, or refuses.
    """
    with outage_of_storage():
        yield _unfinished_runs(context.instance)
        yield _heartbeats(context.instance)
        yield from mirror_metrics(mirror_cursor(context))
        yield from _of_tables(context.instance, entries)
        yield from _of_refresh(context.instance, entries)


def _unfinished_runs(instance: DagsterInstance) -> Metric:
    family = GaugeMetricFamily(
        "aggregation_unfinished_runs", "Runs that have not ended, by Dagster's status.", labels=["status"]
    )
    for status in _UNFINISHED:
        family.add_metric([status.value.lower()], instance.get_runs_count(RunsFilter(statuses=[status])))
    return family


def _heartbeats(instance: DagsterInstance) -> Metric:
    family = GaugeMetricFamily(
        "aggregation_daemon_heartbeat_timestamp_seconds",
        "When each thread of dagster-daemon stored its last heartbeat, since 1970. Absent if never.",
        labels=["thread"],
    )
    beats = instance.get_daemon_heartbeats()
    for name in sorted(set(instance.get_required_daemon_types()) & beats.keys()):
        family.add_metric([name.lower()], beats[name].timestamp)
    return family


def mirror_metrics(cursor: MirrorCursor | None) -> Iterator[Metric]:
    """Yield how far batch_jobs is behind Dagster, by the cursor of the mirror's sensor."""
    if cursor is None:
        return
    figures: dict[str, tuple[str, float | None]] = {
        "lag_seconds": (
            "For how long the first of the runs that are missing in batch_jobs has been.",
            cursor.lag_seconds,
        ),
        "missing_runs": ("Runs that have no row in batch_jobs, or an old one.", cursor.behind),
        "refused_runs": ("Runs whose row could not be written, and is tried again.", len(cursor.retry)),
        "look_timestamp_seconds": (
            "When the mirror last compared runs with batch_jobs, since 1970.",
            cursor.at.timestamp() if cursor.at else None,
        ),
    }
    for name, (meaning, value) in figures.items():
        if value is not None:
            yield GaugeMetricFamily(f"aggregation_mirror_{name}", meaning, value=value)


def _of_tables(instance: DagsterInstance, entries: Sequence[TableEntry]) -> Iterator[Metric]:
    labels = table_labels(entry.name for entry in entries)
    segments = {segment(entry.name): entry.name for entry in entries}
    published = {segments[part]: moment.timestamp() for part, moment in last_publications(instance, segments).items()}
    yield by_table(
        "aggregation_table_published_timestamp_seconds",
        "When a window of the table was last published, since 1970. Absent if never.",
        labels,
        published,
        max,
    )
    tables = {AssetKey(table_path(segment(entry.name))): entry.name for entry in entries if entry.freshness}
    records = instance.get_freshness_state_records(list(tables)) if tables else {}
    yield by_table(
        "aggregation_table_late",
        "Whether the table is late by its freshness in aggregation.yaml: 1 or 0. Absent without one.",
        labels,
        {tables[key]: _LATE.get(record.freshness_state) for key, record in records.items()},
        max,
    )


def _of_refresh(instance: DagsterInstance, entries: Sequence[TableEntry]) -> Iterator[Metric]:
    """Yield what the sensor of late data has found, of the tables with `refresh`."""
    names = [entry.name for entry in entries if entry.refresh is not None]
    if not names:
        return
    cursor, labels = RefreshCursor.stored(instance), table_labels(names)
    asked = {name: cursor.of(name) for name in names if cursor.of(name).at}
    figures: dict[str, tuple[str, Callable[[Asked], float | None], Callable[[float, float], float]]] = {
        "look_timestamp_seconds": (
            "When the table was last asked for late rows, since 1970. Absent if never.",
            lambda each: each.at.timestamp() if each.at else None,
            min,
        ),
        "waiting_windows": (
            "Windows whose rows have changed since they were published, and that are not launched yet.",
            lambda each: each.waiting,
            float.__add__,
        ),
        "waiting_since_timestamp_seconds": (
            "Since when there has been such a window, since 1970. Absent if there is none.",
            lambda each: each.since.timestamp() if each.since else None,
            min,
        ),
        "unknown_windows": (
            "Windows that were published without a key that can be compared, and are not launched yet.",
            lambda each: each.unknown,
            float.__add__,
        ),
        "problem": (
            "Whether the table could not be asked, or windows fail again and again: 1 or 0.",
            lambda each: bool(each.problem),
            max,
        ),
    }
    for name, (meaning, value, combine) in figures.items():
        yield by_table(
            f"aggregation_refresh_{name}",
            meaning,
            labels,
            {table: value(each) for table, each in asked.items()},
            combine,
        )
