"""`batch-jobs`: look at batch_jobs, the record of all runs, and keep it in order."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

import click

from aggregation_pipeline.cli.batch_jobs_test import test
from aggregation_pipeline.cli.common import explained

if TYPE_CHECKING:
    from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
    from aggregation_pipeline.settings.base import Settings

R = TypeVar("R")
_TIMEOUT_SECONDS: Final = 60.0
_IDS_SHOWN: Final = 5
_STATUSES: Final = ("pending", "in_progress", "completed", "failed")
# A shorter beginning of an id hits several rows soon, and the first group of a UUID has eight digits anyway.
_ID_START: Final = re.compile("[0-9a-f][0-9a-f-]{3,35}")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def _id_start(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read an argument that is an id, in any of the usual spellings, or the beginning of one."""
    with suppress(ValueError):
        return str(UUID(value))
    if not _ID_START.fullmatch(value.lower()):
        raise click.BadParameter(
            f"{value!r} is no id. Expected a run's id, or its first characters, at least four: 1a2b3c4d"
        )
    return value.lower()


@click.group("batch-jobs", short_help="Look at batch_jobs, and keep it in order.")
def batch_jobs() -> None:
    """Look at batch_jobs, the record of every run, and keep it in order.

    \b
    aggregation-pipeline batch-jobs list --status failed
    aggregation-pipeline batch-jobs show 1a2b3c4d
    aggregation-pipeline batch-jobs trend --days 14
    aggregation-pipeline batch-jobs backfill --days 90
    aggregation-pipeline batch-jobs test
    """


batch_jobs.add_command(test)


@batch_jobs.command("list", short_help="List the latest jobs.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only jobs with this status.")
@click.option("--job-type", help="Only jobs of this type; `*` for all types.  [default: BATCH_JOB_TYPE]")
@_json
@explained
def list_jobs(limit: int, status: str | None, job_type: str | None, *, as_json: bool) -> None:
    """List the latest jobs, also those that another program has recorded.

    \b
    aggregation-pipeline batch-jobs list --status failed --limit 50
    aggregation-pipeline batch-jobs list --json | jq '.[0].metadata'
    """
    from aggregation_pipeline.batch_jobs.browse import RowFilter
    from aggregation_pipeline.cli import batch_jobs_view as view

    def read(rows: "BatchJobRepository", settings: "Settings") -> None:
        kind = None if job_type == "*" else job_type or settings.batch_job_type
        found = rows.list_rows(RowFilter(kind, status, None, limit))
        view.print_json(found) if as_json else view.show_jobs(found, settings.zone)

    _with_rows(read)


@batch_jobs.command("show")
@click.argument("job_id", callback=_id_start, metavar="ID")
@_json
@explained
def show_job(job_id: str, *, as_json: bool) -> None:
    """Show one job with its platforms, files and errors.

    ID is the id of the run, or its beginning: the eight characters that Dagster's UI shows are enough.

    \b
    aggregation-pipeline batch-jobs show 1a2b3c4d
    """
    from aggregation_pipeline.batch_jobs.browse import RowFilter
    from aggregation_pipeline.cli import batch_jobs_view as view

    def read(rows: "BatchJobRepository", settings: "Settings") -> None:
        found = rows.list_rows(RowFilter(id=job_id))
        if not found:
            raise click.ClickException(
                f"batch_jobs has no row whose id begins with {job_id}. If Dagster knows the run, "
                "`aggregation-pipeline batch-jobs backfill` brings it in"
            )
        if len(found) > 1:
            ids = ", ".join(str(row["id"]) for row in found[:_IDS_SHOWN])
            more = " ..." if len(found) > _IDS_SHOWN else ""
            raise click.ClickException(
                f"The ids of several jobs begin with {job_id}: {ids}{more}. Type more characters of the one you mean"
            )
        view.print_json(found[0]) if as_json else view.show_job(found[0], settings.zone)

    _with_rows(read)


@batch_jobs.command(short_help="Show jobs by day.")
@click.option("--days", type=click.IntRange(1, 3_660), default=30, show_default=True, help="How far back.")
@_json
@explained
def trend(days: int, *, as_json: bool) -> None:
    """Show for each day, in TIMEZONE, how many jobs ran, succeeded and failed, and their average number of items.

    \b
    aggregation-pipeline batch-jobs trend --days 14
    """
    from dataclasses import asdict

    from aggregation_pipeline.cli import batch_jobs_view as view

    def read(rows: "BatchJobRepository", settings: "Settings") -> None:
        found = rows.trend(settings.batch_job_type, settings.timezone, days)
        view.print_json([asdict(day) for day in found]) if as_json else view.show_trend(found)

    _with_rows(read)


@batch_jobs.command(short_help="Delete old rows.")
@click.option(
    "--days", type=click.IntRange(1, 36_500), help="How many days are kept.  [default: BATCH_JOBS_RETENTION_DAYS]"
)
@_json
@explained
def prune(days: int | None, *, as_json: bool) -> None:
    """Delete rows of this deployment whose runs ended long ago. Rows of open runs and of other programs stay.

    \b
    aggregation-pipeline batch-jobs prune --days 90
    """
    from aggregation_pipeline.batch_jobs.mirror import owner_of
    from aggregation_pipeline.batch_jobs.repository import repository_opener
    from aggregation_pipeline.local.instance import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    kept_days = days or settings.batch_jobs_retention_days
    if kept_days is None:
        raise click.UsageError(
            "Say how many days are kept: --days 30, or BATCH_JOBS_RETENTION_DAYS=30 in .env, which prunes daily as"
            " well."
        )
    before = datetime.now(UTC) - timedelta(days=kept_days)
    with (
        open_instance(load_project(settings)) as instance,
        repository_opener(settings, application_name="aggregation cli")(_TIMEOUT_SECONDS) as rows,
    ):
        deleted = rows.prune(owner_of(instance, settings.deployment_name), before)
    if as_json:
        click.echo(json.dumps({"deleted": deleted, "ended_before": before.isoformat()}))
    else:
        click.echo(f"Deleted {deleted} rows that ended before {before.astimezone(settings.zone):%Y-%m-%d %H:%M}")


@batch_jobs.command(short_help="Write missing rows, and correct others.")
@click.option(
    "--days",
    type=click.IntRange(0, 36_500),
    help="How far back, at most BATCH_JOBS_RETENTION_DAYS.  [default: BATCH_JOBS_HISTORY_DAYS]",
)
@_json
@explained
def backfill(days: int | None, *, as_json: bool) -> None:
    """Write a row for every run that has none, and bring the other rows up to date.

    It does no harm at any time, and may be stopped at any time.

    \b
    aggregation-pipeline batch-jobs backfill --days 90
    """
    from aggregation_pipeline.automation import batch_jobs_backfill
    from aggregation_pipeline.batch_jobs.repository import repository_opener
    from aggregation_pipeline.local.console import say
    from aggregation_pipeline.local.instance import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    kept_days = settings.batch_jobs_retention_days
    since = settings.batch_jobs_history if days is None else timedelta(days=min(days, kept_days or days))
    project = load_project(settings)
    with open_instance(project) as instance:
        done = batch_jobs_backfill.backfill(
            project,
            instance,
            repository_opener(settings, application_name="aggregation cli"),
            since=since,
            on_pass=lambda done: say(f"{done.written} of {done.looked_at} runs brought up to date"),
        )
    if as_json:
        click.echo(
            json.dumps(
                {"written": done.written, "looked_at": done.looked_at, "closed": done.closed, "refused": done.refused}
            )
        )
    else:
        for run_id, why in done.refused.items():
            click.echo(f"{run_id}: {why}", err=True)
    if done.refused:
        raise click.exceptions.Exit(1)


def _with_rows(read: "Callable[[BatchJobRepository, Settings], R]") -> R:
    from aggregation_pipeline.batch_jobs.repository import repository_opener
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    with repository_opener(settings, application_name="aggregation cli")(_TIMEOUT_SECONDS) as rows:
        return read(rows, settings)
