"""How the tables of a deployment are: what each has published last, how old that is, and how its last batch went.

What is published comes from Dagster's table of assets, one question for all tables. How a batch went comes from its row
of batch_jobs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dagster import DagsterInstance

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.batch_jobs.mirror import owner_of
from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.overview import values
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.log_query import newest_partitions
from aggregation_pipeline.runs.refresh_cursor import Asked, RefreshCursor
from aggregation_pipeline.runs.stored_assets import StoredAsset, stored_assets
from aggregation_pipeline.storage.keys import DATASETS

# Metadata of a table's materialization, as assets/metadata.py calls them.
_WINDOW: Final = "window"
_ROWS: Final = {f"{dataset} rows": dataset for dataset in DATASETS}


@dataclass(frozen=True)
class TableState:
    """One table.

    Attributes:
        usable: whether its entry can be used; `aggregation-pipeline plan` says why not.
        newest_window: the newest window that was ever published.
        materialized_at: when it was last published, whichever window that was.
        age_seconds: since then.
        late_after_seconds: at which age it is late, as `freshness` in its entry says.
        late: whether it is; None where nothing says when it would be, or nothing was published yet.
        rows: rows by dataset of what was published last.
        last_status: how its last batch went for its platform: completed, failed, skipped, in_progress or pending.
        last_batch: the id of that batch.
        error: why it failed.
        refresh: how the sensor of late data asked it last; None without `refresh` in its entry.
    """

    name: str
    platform: str
    usable: bool
    newest_window: str | None
    materialized_at: datetime | None
    age_seconds: float | None
    late_after_seconds: float | None
    late: bool | None
    rows: Mapping[str, int]
    last_status: str | None
    last_batch: str | None
    error: str | None
    refresh: Asked | None


@dataclass(frozen=True)
class Age:
    """How old is what a table has published.

    Attributes:
        seconds: since it was last published; None before that.
        late_after_seconds: at which age it is late, as `freshness` in its entry says; None where that says nothing.
    """

    seconds: float | None
    late_after_seconds: float | None

    @property
    def rounded(self) -> float | None:
        """The age to a tenth of a second."""
        return None if self.seconds is None else round(self.seconds, 1)

    @property
    def late(self) -> bool | None:
        """Whether it is late; None where nothing says when it would be, or nothing was published yet."""
        if self.seconds is None or self.late_after_seconds is None:
            return None
        return self.seconds > self.late_after_seconds


@dataclass(frozen=True)
class Published:
    """What Dagster knows of a table.

    Attributes:
        newest_window: the newest window that was ever published.
        at: when it was last published, whichever window that was.
        rows: rows by dataset of what was published then.
        run_id: the run that published it then.
        last_run_id: the last run that was to publish it.
    """

    newest_window: str | None
    at: datetime | None
    rows: Mapping[str, int]
    run_id: str | None
    last_run_id: str | None


# Of a batch, by platform: what `metadata.results` says.
_Results = Mapping[str, Mapping[str, Any]]


def table_states(
    project: Project, instance: DagsterInstance, rows: BatchJobRepository, now: datetime
) -> tuple[TableState, ...]:
    """Return the state of each table, in the order of the configuration.

    Raises:
        MirrorError: batch_jobs or Dagster's events cannot be read.
    """
    published = published_tables(project, instance)
    run_ids = {each.last_run_id for each in published.values() if each.last_run_id}
    results = _results_of(run_ids, instance, rows, project.settings.deployment_name)
    asked = refreshed(project, instance)
    return tuple(
        _state(table, published[table.entry.name], results, asked.get(table.entry.name), now)
        for table in project.tables
    )


def published_tables(project: Project, instance: DagsterInstance) -> Mapping[str, Published]:
    """Return what Dagster knows of each configured table, by the name of its entry.

    Raises:
        MirrorError: Dagster's events cannot be read.
    """
    keys = {table.entry.name: table_key(table.entry.name) for table in project.tables}
    assets = stored_assets(instance, [*keys.values()], (_WINDOW, *_ROWS))
    partitioned = [keys[table.entry.name] for table in project.tables if table.partitions is not None]
    newest = newest_partitions(instance, [key for key in partitioned if key in assets])
    return {name: _published(assets.get(key), newest.get(key)) for name, key in keys.items()}


def refreshed(project: Project, instance: DagsterInstance) -> Mapping[str, Asked]:
    """Return how the sensor of late data asked each table last that has `refresh`, by the name of its entry."""
    names = [table.entry.name for table in project.tables if table.entry.refresh is not None]
    if not names:
        return {}
    cursor = RefreshCursor.stored(instance)
    return {name: cursor.of(name) for name in names}


def age_of(table: ConfiguredTable, published: Published, now: datetime) -> Age:
    """Return how old a table is."""
    freshness = table.entry.freshness
    return Age(
        None if published.at is None else max(0.0, (now - published.at).total_seconds()),
        None if freshness is None else parse_duration(freshness.fail_after).total_seconds(),
    )


def _published(asset: StoredAsset | None, newest_partition: str | None) -> Published:
    last = asset.last if asset else None
    metadata = last.metadata if last else {}
    rows = {dataset: values.count(metadata[label]) for label, dataset in _ROWS.items() if label in metadata}
    return Published(
        newest_window=newest_partition or values.text(metadata.get(_WINDOW)),
        at=last.at if last else None,
        rows={dataset: number for dataset, number in rows.items() if number is not None},
        run_id=last.run_id if last else None,
        last_run_id=asset.last_run_id if asset else None,
    )


def _results_of(
    run_ids: Collection[str], instance: DagsterInstance, rows: BatchJobRepository, deployment: str
) -> Mapping[str, _Results]:
    ids = {row_id(run_id): run_id for run_id in run_ids}
    found = rows.read_rows(owner_of(instance, deployment), list(ids)) if ids else ()
    return {ids[row.id]: values.members(values.members(row.metadata).get("results")) for row in found}


def _state(
    table: ConfiguredTable, found: Published, results: Mapping[str, _Results], asked: Asked | None, now: datetime
) -> TableState:
    entry, age, run_id = table.entry, age_of(table, found, now), found.last_run_id
    result = values.members(results.get(run_id or "", {}).get(entry.platform))
    # The row may come a little later than the event.
    published = "completed" if found.at and found.run_id == run_id else None
    return TableState(
        name=entry.name,
        platform=entry.platform,
        usable=entry.issues is None,
        newest_window=found.newest_window,
        materialized_at=found.at,
        age_seconds=age.rounded,
        late_after_seconds=age.late_after_seconds,
        late=age.late,
        rows=found.rows,
        last_status=values.text(result.get("status")) or published,
        last_batch=None if run_id is None else str(row_id(run_id)),
        error=values.text(result.get("error")),
        refresh=asked,
    )
