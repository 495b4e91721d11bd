"""The daily job that deletes expired files, and the same for the command line.

storage/retention.py decides what has expired.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from dagster import (
    Backoff,
    Config,
    DagsterInstance,
    DefaultScheduleStatus,
    Failure,
    JobDefinition,
    OpExecutionContext,
    RetryPolicy,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    job,
    op,
    schedule,
)

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.expiry import RetentionRule

if TYPE_CHECKING:
    from aggregation_pipeline.postgres.window_lock import WindowLock
    from aggregation_pipeline.storage.retention import RetentionResult

RETENTION_JOB = "retention"
# After the night's exports, before people come.
_CRON = "30 5 * * *"


class RetentionConfig(Config):
    """In the launchpad: `ops: {delete_expired: {config: {dry_run: true}}}` only lists what would be deleted."""

    dry_run: bool = False


@redact_errors
def delete_expired_files(
    project: Project,
    *,
    holder: str,
    alive: Callable[[str], bool],
    report: Callable[[str], None],
    dry_run: bool,
    now: datetime,
) -> "RetentionResult":
    """Delete what has expired by `keep`, `keep_last`, `keep_versions` and EXTRACT_KEEP_DAYS, and what dead runs left.

    With `dry_run`, only report it. `alive(run id)` says whether that run may still be working.

    Raises:
        StorageBusyError: the store does not work. What was deleted stays deleted, and the next pass continues.
        LockError: PostgreSQL, which holds the windows' locks, does not answer.
    """
    from aggregation_pipeline.postgres.window_lock import window_lock
    from aggregation_pipeline.storage.retention import apply_retention

    settings = project.settings

    def lock(table: str, window: str) -> "AbstractContextManager[WindowLock]":
        return window_lock(
            settings.require_dagster_url(), settings.oss_prefix, table, window, holder=holder, on_wait=report
        )

    return apply_retention(
        open_store(settings),
        settings.oss_prefix,
        # Nobody knows what is to be kept of an entry that cannot be used.
        [_rule(table.entry) for table in project.tables if table.entry.issues is None],
        now=now.astimezone(settings.zone),
        keep_extracts=timedelta(days=settings.extract_keep_days),
        lock=lock,
        is_active=alive,
        report=report,
        dry_run=dry_run,
    )


@redact_errors
def delete_expired_logs(
    project: Project, *, report: Callable[[str], None], dry_run: bool, now: datetime
) -> tuple[str, ...]:
    """Delete what runs printed more than COMPUTE_LOG_KEEP_DAYS ago and is in the store; return the keys.

    With `dry_run`, only report it.

    Raises:
        StorageError: the store refuses, or does not work.
    """
    from aggregation_pipeline.storage.run_logs import RunLogs

    settings = project.settings
    days = settings.compute_log_keep_days
    logs = RunLogs(open_store(settings), settings.oss_prefix)
    gone = logs.delete_written_before(now - timedelta(days=days), dry_run=dry_run)
    report(f"logs of runs older than {days} days: {len(gone)} objects{' would go' if dry_run else ''}")
    return gone


def is_alive(instance: DagsterInstance, run_id: str) -> bool:
    """Whether a run has not ended, as far as Dagster knows. The reconciler fails runs whose process is gone."""
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def _rule(entry: TableEntry) -> RetentionRule:
    every = None if entry.partition is None else entry.partition.every
    versions = None if entry.keep_versions == "all" else entry.keep_versions
    return RetentionRule(entry.name, entry.keep_for, entry.keep_last, every, versions, entry.names)


def build_retention_job(project: Project) -> JobDefinition:
    """Build the job `retention`."""

    @op(
        name=project.scope.named("delete_expired"),
        retry_policy=RetryPolicy(max_retries=2, delay=60, backoff=Backoff.EXPONENTIAL),
    )
    def delete_expired(context: OpExecutionContext, config: RetentionConfig) -> None:
        """Delete expired windows (`keep`, `keep_last`), superseded versions, extracts and logs of runs."""
        holder = f"retention run {context.run_id[:8]}"
        try:
            swept = delete_expired_files(
                project,
                holder=holder,
                alive=partial(is_alive, context.instance),
                report=context.log.info,
                dry_run=config.dry_run,
                now=datetime.now(project.settings.zone),
            )
            logs = delete_expired_logs(
                project, report=context.log.info, dry_run=config.dry_run, now=datetime.now(project.settings.zone)
            )
        except PipelineError as error:
            if error.retryable:
                raise
            raise Failure(description=str(error), allow_retries=False) from error
        context.add_output_metadata(
            {
                "dry run": config.dry_run,
                "windows": len(swept.windows),
                "objects of windows": sum(len(window.keys) for window in swept.windows),
                "objects of superseded versions": sum(len(window.keys) for window in swept.versions),
                "extracts": sum(len(window.keys) for window in swept.extracts),
                "half-written files": len(swept.half_written),
                "logs of runs": len(logs),
            }
        )
        if swept.problems:
            raise Failure(description="\n".join(swept.problems), allow_retries=False)

    @job(
        name=project.scope.named(RETENTION_JOB),
        description="Delete windows, superseded versions, stored extracts and logs that have expired.",
    )
    def retention() -> None:
        delete_expired()

    return retention


def build_retention_schedule(retention: JobDefinition, project: Project) -> ScheduleDefinition:
    """Build its schedule, which is daily whatever the schedules of the tables are."""

    @schedule(
        name=f"{retention.name}_schedule",
        cron_schedule=_CRON,
        job=retention,
        execution_timezone=project.settings.zone.key,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Daily, whatever the schedules of the tables are.",
    )
    def tick(context: ScheduleEvaluationContext) -> RunRequest:
        return RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return tick
