"""The daily job that deletes our old rows from batch_jobs.

No postponed annotations here: Dagster reads the annotation of an op's context.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from dagster import DefaultScheduleStatus, JobDefinition, OpExecutionContext, ScheduleDefinition, job, op

if TYPE_CHECKING:
    from aggregation_pipeline.batch_jobs.repository import OpenRepository

PRUNE_JOB: Final = "prune_batch_jobs"
# After the night's work, and not on the hour, when most jobs start.
_CRON: Final = "40 4 * * *"
# The first deletion may be of years of rows. statement_timeout still bounds it.
_SECONDS: Final = 300.0


def build_prune_job(*, open_repository: "OpenRepository", deployment: str, days: int) -> JobDefinition:
    """Build the job that deletes the rows of this deployment whose runs ended more than `days` ago."""

    @op(
        name="prune",
        description=(
            f"Delete our rows of batch_jobs that ended more than {days} days ago; open rows and those of others stay."
        ),
    )
    def prune(context: OpExecutionContext) -> None:
        from aggregation_pipeline.batch_jobs.mirror import owner_of

        before = datetime.now(UTC) - timedelta(days=days)
        with open_repository(_SECONDS) as repository:
            deleted = repository.prune(owner_of(context.instance, deployment), before)
        context.log.info(
            "%d rows of batch_jobs that ended before %s deleted", deleted, before.isoformat(timespec="seconds")
        )
        context.add_output_metadata({"deleted rows": deleted, "ended before": before.isoformat(timespec="seconds")})

    @job(name=PRUNE_JOB, description=f"Keeps the last {days} days of batch_jobs (BATCH_JOBS_RETENTION_DAYS).")
    def prune_batch_jobs() -> None:
        prune()

    return prune_batch_jobs


def build_prune_schedule(prune: JobDefinition, zone: ZoneInfo) -> ScheduleDefinition:
    """Build its daily schedule. It runs from the start, because BATCH_JOBS_RETENTION_DAYS asks for it."""
    return ScheduleDefinition(
        name=f"{PRUNE_JOB}_schedule",
        job=prune,
        cron_schedule=_CRON,
        execution_timezone=zone.key,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Daily, because BATCH_JOBS_RETENTION_DAYS is set.",
    )
