"""What goes into the projection and what comes out: plain values, of which Dagster and the database know nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

JobStatus = Literal["pending", "in_progress", "completed", "failed"]


@dataclass(frozen=True)
class Owner:
    """Whose a row is: the deployment by its name, and the Dagster storage that knows the run.

    Two teams that both left DEPLOYMENT_NAME at `default` share a table without closing or pruning each other's rows:
    what is no run of this storage is none of its business.
    """

    deployment: str
    instance: str


@dataclass(frozen=True)
class RunInfo:
    """A run's record. `status` is Dagster's word (QUEUED, STARTED, ...); times are aware."""

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
    """Anything that happened in a run; `id` is Dagster's storage id, which grows."""

    id: int


@dataclass(frozen=True)
class Planned(Event):
    """The run means to make one of our assets; `partitions` is (None,) for an asset without partitions."""

    segment: str
    partitions: tuple[str | None, ...] = (None,)


@dataclass(frozen=True)
class Started(Event):
    """The op of a table began."""

    segment: str


@dataclass(frozen=True)
class Finished(Event):
    """One window of one table is published. `items` are the rows of both datasets, `seconds` what it took."""

    segment: str
    partition: str | None
    items: int
    table: str
    platform: str | None = None
    window: str | None = None
    seconds: float = 0.0
    bytes: int = 0
    files: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Failed(Event):
    """An op failed, or the run itself (`step` None); `segment` where it is a table's op."""

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
