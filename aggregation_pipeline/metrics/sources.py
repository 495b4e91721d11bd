"""The sources of one deployment's web process."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from dagster._core.workspace.context import WorkspaceProcessContext
from prometheus_client.metrics_core import Metric

from aggregation_pipeline.batch_jobs.mirror import owner_of
from aggregation_pipeline.batch_jobs.repository import kept_repository
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.health.probe import LIMIT_SECONDS
from aggregation_pipeline.metrics.batch_jobs import batch_jobs_metrics
from aggregation_pipeline.metrics.dagster_state import dagster_metrics
from aggregation_pipeline.metrics.source import Source
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings

Entries = Callable[[], Sequence[TableEntry]]


@contextmanager
def open_sources(
    settings: Settings, context: WorkspaceProcessContext, read_entries: Entries
) -> Iterator[tuple[Source, ...]]:
    """Yield a source for Dagster, and one for batch_jobs. Nothing is asked before somebody wants to know.

    Each has a thread of its own, because batch_jobs may be in another database.

    Args:
        settings: where batch_jobs is.
        context: Dagster's.
        read_entries: returns the configured tables.
    """
    entries = _or_last(read_entries)
    open_rows, close = kept_repository(settings, application_name="aggregation metrics")

    @functools.cache
    def owner() -> Owner:
        with outage_of_storage():
            return owner_of(context.instance, settings.deployment_name)

    def ask_batch_jobs() -> Iterable[Metric]:
        mine = owner()
        with open_rows(LIMIT_SECONDS) as rows:
            day = rows.last_day(mine, settings.batch_job_type)
        return batch_jobs_metrics(day, [entry.name for entry in entries()])

    try:
        yield (
            Source("dagster", lambda: dagster_metrics(context, entries())),
            Source("batch_jobs", ask_batch_jobs),
        )
    finally:
        close()


def _or_last(read: Entries) -> Entries:
    """Return what reads the configured tables, and remembers them while aggregation.yaml cannot be read."""
    last: Sequence[TableEntry] = ()

    def entries() -> Sequence[TableEntry]:
        nonlocal last
        # What runs still has the tables of before.
        with suppress(ConfigError):
            last = read()
        return last

    return entries
