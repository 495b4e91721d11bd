"""Metrics of the runs that ended within the last day, from the figures of batch_jobs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from aggregation_pipeline.batch_jobs.last_day import LastDay, TableFigures
from aggregation_pipeline.metrics.labels import OTHER, by_table, table_labels
from aggregation_pipeline.runs.model import STAGES

_DAY: Final = "in the runs that ended within the last 24 hours"
# By metric: what it means, and its value for a table.
_SUMS: Final[Mapping[str, tuple[str, Callable[[TableFigures], float]]]] = {
    "rows": ("Rows of both datasets", lambda table: table.items),
    "bytes": ("Bytes of the published files", lambda table: table.bytes),
    "files": ("Published files", lambda table: table.files),
}


def batch_jobs_metrics(day: LastDay, names: Iterable[str]) -> Iterator[Metric]:
    """Yield the metrics. `names` are those of the configured tables."""
    labels = table_labels(names)
    yield from _of_runs(day)
    for what, (meaning, value) in _SUMS.items():
        values = {name: value(table) for name, table in day.tables.items()}
        yield by_table(f"aggregation_last_day_{what}", f"{meaning}, {_DAY}.", labels, values)
    yield _split(
        "aggregation_last_day_seconds",
        f"Seconds that windows took, by stage, {_DAY}. other: waiting for the window's lock, and checks.",
        "stage",
        labels,
        {name: _seconds_by_stage(table) for name, table in day.tables.items()},
    )
    yield _split(
        "aggregation_last_day_uploads",
        f"Windows to be published, {_DAY}. failed: planned and not published, for whatever reason.",
        "result",
        labels,
        {name: {"published": table.published, "failed": table.unpublished} for name, table in day.tables.items()},
    )
    failing = {name: None if table.failing is None else float(table.failing) for name, table in day.tables.items()}
    yield by_table(
        "aggregation_table_failing",
        "Whether the newest result of a table is a failure: 1 or 0. Absent without a result in the last 7 days.",
        labels,
        # Those that are not configured any more do not fail.
        {name: value for name, value in failing.items() if name in labels},
        max,
    )


def _of_runs(day: LastDay) -> Iterator[Metric]:
    runs = GaugeMetricFamily(
        "aggregation_last_day_runs", "Runs that ended within the last 24 hours, by status.", labels=["status"]
    )
    runs.add_metric(["completed"], day.completed)
    runs.add_metric(["failed"], day.failed)
    yield runs
    ratio = GaugeMetricFamily(
        "aggregation_last_day_failed_ratio", "Share of these runs that failed, from 0 to 1. Absent without a run."
    )
    if ended := day.completed + day.failed:
        ratio.add_metric([], day.failed / ended)
    yield ratio


def _seconds_by_stage(table: TableFigures) -> Mapping[str, float]:
    stages = {stage: table.stages.get(stage, 0.0) for stage in STAGES}
    return {**stages, OTHER: max(0.0, table.seconds - sum(stages.values()))}


def _split(
    name: str, meaning: str, label: str, labels: Mapping[str, str], values: Mapping[str, Mapping[str, float]]
) -> Metric:
    """Return a metric with a second label, whose values are the same for every table."""
    family = GaugeMetricFamily(name, meaning, labels=["table", label])
    sums: dict[tuple[str, str], float] = {}
    for table, parts in values.items():
        for part, value in parts.items():
            shown = labels.get(table, OTHER), part
            sums[shown] = sums.get(shown, 0.0) + value
    for shown, value in sums.items():
        family.add_metric(shown, value)
    return family
