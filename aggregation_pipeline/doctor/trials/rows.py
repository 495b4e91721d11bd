"""The rows of tests in batch_jobs: how they are known, and how they go, also those of a test that was killed."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock
from aggregation_pipeline.postgres.sole_session import sole_session
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings

# What `batch-jobs list --job-type` shows of tests, and no query of sql/ that asks for the type of runs.
JOB_TYPE: Final = "batch_jobs_test"
# How the instance of their owner begins. No Dagster storage has such an id, so no row of a run is ever taken for one.
_INSTANCE: Final = "batch_jobs_test "
_MOST: Final = 1_000


def new_owner(deployment: str) -> Owner:
    """Return the owner of the rows of one test."""
    return Owner(deployment, f"{_INSTANCE}{uuid4()}")


def remove_rows(rows: BatchJobRepository, deployment: str) -> int:
    """Remove all rows of tests of this deployment, and return how many; those that a test left open are closed first.

    Raises:
        MirrorError: rows cannot be read, written or deleted.
    """
    found = rows.list_rows(RowFilter(job_type=JOB_TYPE, limit=_MOST))
    owners = {_owner(row["metadata"], deployment) for row in found}
    removed = 0
    # Without any, it is proved that rows may be deleted.
    for owner in (owners - {None}) or {new_owner(deployment)}:
        if owner is None:
            continue
        now = datetime.now(UTC)
        for row in rows.read_rows(owner, list(rows.open_row_states(owner))):
            rows.record(close_deleted_run(row, now))
        removed += rows.prune(owner, now + timedelta(days=1))
    return removed


def _owner(metadata: object, deployment: str) -> Owner | None:
    """Whose row it is, if it is one of a test of this deployment. Any program may have written it."""
    dagster = metadata.get("dagster") if isinstance(metadata, dict) else None
    if not isinstance(dagster, dict) or dagster.get("deployment") != deployment:
        return None
    instance = dagster.get("instance")
    return Owner(deployment, instance) if isinstance(instance, str) and instance.startswith(_INSTANCE) else None


def one_test_at_a_time(settings: Settings) -> AbstractContextManager[sa.Connection]:
    """Hold the lock of tests, as `sole_session` does."""
    return sole_session(
        settings.require_dagster_url(),
        AdvisoryLock.BATCH_JOBS_TEST,
        what="test of batch_jobs",
        application_name="aggregation cli",
    )
