"""`batch-jobs`: look at the record of runs, and keep it."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import click

from aggregation_pipeline.cli.common import explained

if TYPE_CHECKING:
    from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
    from aggregation_pipeline.settings.base import Settings

R = TypeVar("R")
_SECONDS = 60.0
_STATUSES = ("pending", "in_progress", "completed", "failed")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def _beginning_of_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    with suppress(ValueError):
        return str(UUID(value))
    if not re.fullmatch("[0-9a-f][0-9a-f-]{3,35}", value.lower()):
        raise click.BadParameter(
            f"{value!r} is no id. Expected a run's id, or its first characters, at least four: 1a2b3c4d"
        )
    return value.lower()


@click.group("batch-jobs")
def batch_jobs() -> None:
    """Look at batch_jobs, the record of every run, and keep it in order.

    \b
    aggregation-pipeline batch-jobs list --status failed
    aggregation-pipeline batch-jobs trend --days 14
    aggregation-pipeline batch-jobs backfill --days 90
    """


@batch_jobs.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True)
@click.option("--status", type=click.Choice(_STATUSES), help="Only these.")
@click.option("--job-type", help="Only these; default: BATCH_JOB_TYPE. `*` for all.")
@_json
@explained
def list_jobs(limit: int, status: str | None, job_type: str | None, *, as_json: bool) -> None:
    """List the latest jobs, whoever recorded them."""
    from aggregation_pipeline.batch_jobs.browse import RowFilter
    from aggregation_pipeline.cli import batch_jobs_view as view

    def read(rows: "BatchJobRepository", settings: "Settings") -> None:
        kind = None if job_type == "*" else job_type or settings.batch_job_type
        found = rows.list_rows(RowFilter(kind, status, None, limit))
        view.print_json(found) if as_json else view.show_jobs(found, settings.zone)

    _with_rows(read)


@batch_jobs.command("show")
@click.argument("job_id", callback=_beginning_of_id, metavar="ID")
@_json
@explained
def show_job(job_id: str, *, as_json: bool) -> None:
    """Show one job with its platforms, files and errors. ID is the run's, or its beginning."""
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
            ids = ", ".join(str(row["id"]) for row in found[:5])
            more = " ..." if len(found) > 5 else ""
            raise click.ClickException(f"The ids of several jobs begin with {job_id}: {ids}{more}. Give more of it")
        view.print_json(found[0]) if as_json else view.show_job(found[0], settings.zone)

    _with_rows(read)


@batch_jobs.command()
@click.option("--days", type=click.IntRange(1, 3_660), default=30, show_default=True)
@_json
@explained
def trend(days: int, *, as_json: bool) -> None:
    """Show jobs by day, of TIMEZONE: how many, how many succeeded and failed, and their average size."""
    from dataclasses import asdict

    from aggregation_pipeline.cli import batch_jobs_view as view

    def read(rows: "BatchJobRepository", settings: "Settings") -> None:
        found = rows.trend(settings.batch_job_type, settings.timezone, days)
        view.print_json([asdict(day) for day in found]) if as_json else view.show_trend(found)

    _with_rows(read)


@batch_jobs.command()
@click.option("--days", type=click.IntRange(1, 36_500), help="Default: BATCH_JOBS_RETENTION_DAYS.")
@_json
@explained
def prune(days: int | None, *, as_json: bool) -> None:
    """Delete the rows of this deployment that ended more than so many days ago. Open rows and other people's stay."""
    from aggregation_pipeline.batch_jobs.mirror import owner_of
    from aggregation_pipeline.batch_jobs.repository import repository_opener
    from aggregation_pipeline.local.run import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    kept = days or settings.batch_jobs_retention_days
    if kept is None:
        raise click.UsageError(
            "Say how many days are kept: --days 30, or BATCH_JOBS_RETENTION_DAYS=30 in .env, which prunes daily as"
            " well."
        )
    before = datetime.now(UTC) - timedelta(days=kept)
    with (
        open_instance(load_project(settings)) as instance,
        repository_opener(settings, application_name="aggregation cli")(_SECONDS) as rows,
    ):
        gone = rows.prune(owner_of(instance, settings.deployment_name), before)
    words = f"{gone} rows that ended before {before.astimezone(settings.zone):%Y-%m-%d %H:%M} deleted"
    click.echo(json.dumps({"deleted": gone, "ended_before": before.isoformat()}) if as_json else words)


@batch_jobs.command()
@click.option(
    "--days",
    type=click.IntRange(0, 36_500),
    help="How far back. Default: BATCH_JOBS_HISTORY_DAYS; never beyond the retention.",
)
@_json
@explained
def backfill(days: int | None, *, as_json: bool) -> None:
    """Give a row to every run that has none, and bring the others up to date. May be run at any time, and stopped."""
    from aggregation_pipeline.automation import batch_jobs_backfill as filling
    from aggregation_pipeline.batch_jobs.repository import repository_opener
    from aggregation_pipeline.local.console import say
    from aggregation_pipeline.local.run import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    kept = settings.batch_jobs_retention_days
    since = settings.batch_jobs_history if days is None else timedelta(days=min(days, kept or days))
    project = load_project(settings)
    with open_instance(project) as instance:
        done = filling.backfill(
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
    for run_id, why in {} if as_json else done.refused.items():
        click.echo(f"{run_id}: {why}", err=True)
    if done.refused:
        raise click.exceptions.Exit(1)


def _with_rows(read: "Callable[[BatchJobRepository, Settings], R]") -> R:
    from aggregation_pipeline.batch_jobs.repository import repository_opener
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    with repository_opener(settings, application_name="aggregation cli")(_SECONDS) as rows:
        return read(rows, settings)
