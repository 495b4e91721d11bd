"""`batch-jobs backfill`: gives rows to runs that have none, by as many passes of the reconciler as it takes."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.mirror import mirror_runs, owner_of
from aggregation_pipeline.batch_jobs.reconcile import ReconcileResult, reconcile
from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.project import Project

_PASS_SECONDS: Final = 60.0


def backfill(
    project: Project,
    instance: DagsterInstance,
    open_repository: OpenRepository,
    *,
    since: timedelta,
    on_pass: Callable[[ReconcileResult], None],
) -> ReconcileResult:
    """Correct the rows of all runs that are open or have changed within `since`; returns the sum of all passes."""
    owner = owner_of(instance, project.settings.deployment_name)
    total = ReconcileResult(datetime.now(UTC) - since, complete=False)
    foreign: set[str] = set()
    while not total.complete:
        with open_repository(_PASS_SECONDS) as repository:
            repository.ensure_table()
            mirror = functools.partial(mirror_runs, instance, repository=repository, owner=owner, **project.about_rows)
            done = reconcile(
                instance,
                repository,
                mirror,
                owner=owner,
                watermark=total.watermark,
                foreign=foreign,
                budget=_PASS_SECONDS / 3,
            )
        # More refused runs than the reconciler remembers hold the watermark where it is. Nobody tries them again here,
        # so a pass that writes nothing is the last.
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
