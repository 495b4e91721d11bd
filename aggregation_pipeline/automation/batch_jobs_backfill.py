"""Rows for runs that have none, from the command line: the reconciler's passes, as many as it takes."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.reconcile import ReconcileResult, reconcile
from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.project import Project

_SECONDS = 60.0


def backfill(
    project: Project,
    instance: DagsterInstance,
    open_repository: OpenRepository,
    *,
    since: timedelta,
    on_pass: Callable[[ReconcileResult], None],
) -> ReconcileResult:
    """Bring the row of every run up to date that changed within `since` or is open; returns the sum of all passes."""
    settings, owner = project.settings, owner_of(instance, project.settings.deployment_name)
    total = ReconcileResult(datetime.now(UTC) - since, complete=False)
    foreign: set[str] = set()
    while not total.complete:
        with open_repository(_SECONDS) as repository:
            repository.ensure_table()
            mirror = functools.partial(
                mirror_run,
                instance,
                repository=repository,
                owner=owner,
                platforms=project.platforms,
                names=project.names,
                job_type=settings.batch_job_type,
                secrets=settings.secrets,
            )
            done = reconcile(
                instance,
                repository,
                mirror,
                owner=owner,
                watermark=total.watermark,
                foreign=foreign,
                budget=_SECONDS / 3,
            )
        # More refusals than can be remembered hold the watermark; here nobody tries again, so there is no more to be
        # done.
        stuck = done.watermark == total.watermark and not done.written
        total = ReconcileResult(
            done.watermark,
            looked_at=total.looked_at + done.looked_at,
            written=total.written + done.written,
            closed=total.closed + done.closed,
            complete=done.complete or stuck,
            refused=total.refused | done.refused,
        )
        on_pass(total)
    return total
