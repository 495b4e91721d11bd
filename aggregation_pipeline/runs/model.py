"""What the projection reads and returns: plain values without Dagster and without a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

JobStatus = Literal["pending", "in_progress", "completed", "failed"]
# What is measured of a window; those that it did not need are missing.
STAGES = ("read", "render", "publish")


@dataclass(frozen=True)
class Owner:
    """Owner of a row: the deployment's name, and the id of the Dagster storage that holds the run.

    The id keeps two teams apart that share a table and both left DEPLOYMENT_NAME at `default`: neither closes or
    prunes rows of the other.
    """

    deployment: str
    instance: str


@dataclass(frozen=True)
class RunInfo:
    """A run's record. `status` is Dagster's word (QUEUED, STARTED, ...); times have a time zone."""

    run_id: str
    job: str
    status: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Anything that happened in a run. `id` is Dagster's storage id; later events have greater ids."""

    id: int


@dataclass(frozen=True)
class Planned(Event):
    """The run plans to materialize one of our assets; `partitions` is (None,) for an asset without partitions."""

    segment: str
    partitions: tuple[str | None, ...] = (None,)


@dataclass(frozen=True)
class Started(Event):
    """The op of a table began."""

    segment: str


@dataclass(frozen=True)
class Finished(Event):
    """One window of one table is published.

    `items` counts the rows of both datasets. `table` is the entry's name, `platform` what it counts as in batch_jobs,
    `source` the database that it was read from, if that has a name. `stage_seconds` says how long each of `STAGES`
    took; the rest of `seconds` is waiting for the window's lock, and checks.
    """

    segment: str
    partition: str | None
    items: int
    table: str
    platform: str | None = None
    source: str | None = None
    window: str | None = None
    seconds: float = 0.0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    bytes: int = 0
    files: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Failed(Event):
    """An op failed, or the run itself (`step` is None). `segment` is set where the op is a table's."""

    at: datetime
    step: str | None
    segment: str | None
    error: str


@dataclass(frozen=True)
class BatchJobRow:
    """A row of public.batch_jobs, column by column."""

    id: UUID
    job_type: str
    status: JobStatus
    platforms_processed: tuple[str, ...]
    total_items: int
    metadata: Mapping[str, Any]
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
