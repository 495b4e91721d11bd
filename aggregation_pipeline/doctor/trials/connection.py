"""batch_jobs as it is configured, in PostgreSQL or at Supabase: one row is made, changed, read and deleted."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.pages import PageFilter
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, repository_opener
from aggregation_pipeline.doctor.trials.logic import InventedRun
from aggregation_pipeline.doctor.trials.rows import JOB_TYPE, new_owner, one_test_at_a_time, remove_rows
from aggregation_pipeline.errors import LockError, PipelineError
from aggregation_pipeline.runs.model import BatchJobRow, Owner
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.source.findings import Finding, failure, ok, warning

_SECONDS: Final = 60.0
# Letters and signs that a wrong encoding would change.
_PLATFORM: Final = "测试 ✓"


def try_connection(settings: Settings) -> Iterator[Finding]:
    """Use the table as a run does. Each row of a test is deleted again, also one that a killed test left."""
    with ExitStack() as stack:
        yield ok("target", _target(settings))
        try:
            stack.enter_context(one_test_at_a_time(settings))
        except LockError:
            raise
        except PipelineError as error:
            yield warning("lock", f"{error}. So another test at the same time would not be noticed", "")
        rows = stack.enter_context(
            repository_opener(settings, application_name="aggregation cli")(_SECONDS),
        )
        created = rows.ensure_table()
        yield ok("table", "it was missing, and has been created, as by the first run" if created else "it is there")
        left = remove_rows(rows, settings.deployment_name)
        yield ok(
            "left over", f"{left} rows of earlier tests were deleted" if left else "no row of an earlier test is there"
        )
        try:
            yield from _live(rows, new_owner(settings.deployment_name), settings)
        finally:
            removed = remove_rows(rows, settings.deployment_name)
        yield ok("clean up", f"{removed} row of this test was deleted; no other was touched")


def _target(settings: Settings) -> str:
    from sqlalchemy import make_url

    if settings.batch_jobs_url is None and settings.supabase_url is not None:
        return f"Supabase by REST at {settings.supabase_url}, as SUPABASE_URL says"
    url = make_url(settings.require_batch_jobs_url())
    where = f"PostgreSQL at {url.host or 'the local socket'}, database {url.database}"
    return f"{where}, as {settings.batch_jobs_variable} says"


@dataclass(frozen=True)
class _Stages:
    """The rows of one run, as it goes on."""

    pending: BatchJobRow
    working: BatchJobRow
    done: BatchJobRow


def _stages(owner: Owner) -> _Stages:
    run = InventedRun({"test": _PLATFORM}, str(uuid4()), datetime.now(UTC))
    events = run.events()

    def made(status: str, upto: int) -> BatchJobRow:
        row = run.row(status, events[:upto])
        dagster = {**row.metadata["dagster"], "deployment": owner.deployment, "instance": owner.instance}
        return replace(row, job_type=JOB_TYPE, metadata={**row.metadata, "dagster": dagster})

    return _Stages(made("QUEUED", 1), made("STARTED", 2), made("SUCCESS", 3))


def _live(rows: BatchJobRepository, owner: Owner, settings: Settings) -> Iterator[Finding]:
    stages = _stages(owner)
    steps: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("create", lambda: _written(rows, owner, stages.pending)),
        ("update", lambda: _written(rows, owner, stages.working)),
        ("complete", lambda: _written(rows, owner, stages.done)),
        ("older version", lambda: _refused(rows, owner, stages.pending, stages.done)),
        ("other deployment", lambda: _refused(rows, owner, _of_another(stages.done), stages.done)),
        ("list", lambda: _listed(rows, stages.done)),
        ("statistics", lambda: _counted(rows, stages.done, settings.timezone)),
    )
    for name, step in steps:
        try:
            wrong = step()
        except PipelineError as error:
            yield failure(name, str(error))
            if name == "create":
                # The others would repeat it.
                return
            continue
        yield failure(name, wrong, _ODD) if wrong else ok(name, _SAID[name])


_ODD: Final = (
    "Look for triggers and rules on public.batch_jobs, and whether another test of this deployment ran at the same time"
)
_SAID: Final = {
    "create": "a row was written as pending, and read back the same",
    "update": "it became in_progress, with a platform",
    "complete": "it became completed, with all of its metadata; Chinese letters and signs came back as they were",
    "older version": "one that came late left the row as it was",
    "other deployment": "it could not change the row",
    "list": "the row is listed, by its id and on a page",
    "statistics": "rows are counted by day, and the latest figures can be read",
}


def _written(rows: BatchJobRepository, owner: Owner, row: BatchJobRow) -> str | None:
    if not rows.record(row):
        return "the row was not written, and PostgreSQL gave no reason"
    return _differs(rows, owner, row)


def _refused(rows: BatchJobRepository, owner: Owner, row: BatchJobRow, stays: BatchJobRow) -> str | None:
    if rows.record(row):
        return "the row was replaced, and should have stayed"
    return _differs(rows, owner, stays)


def _of_another(row: BatchJobRow) -> BatchJobRow:
    dagster = {**row.metadata["dagster"], "instance": "another", "version": [9, 9, 9]}
    return replace(row, total_items=0, metadata={**row.metadata, "dagster": dagster})


def _differs(rows: BatchJobRepository, owner: Owner, row: BatchJobRow) -> str | None:
    found = rows.read_rows(owner, [row.id])
    if not found:
        return "the row is gone: it was written, and cannot be read"
    names = [name for name in row.__dataclass_fields__ if getattr(found[0], name) != getattr(row, name)]
    return f"the row came back with another {', '.join(names)}" if names else None


def _listed(rows: BatchJobRepository, row: BatchJobRow) -> str | None:
    by_id = rows.list_rows(RowFilter(id=str(row.id), limit=1))
    page = rows.read_page(PageFilter(job_type=JOB_TYPE, since=row.created_at), None, 100)
    if not by_id or by_id[0]["total_items"] != row.total_items:
        return "the row is not found by its id"
    return None if str(row.id) in {str(each["id"]) for each in page.rows} else "the row is on no page of its type"


def _counted(rows: BatchJobRepository, row: BatchJobRow, zone: str) -> str | None:
    rows.trend(JOB_TYPE, zone, 30)
    figures = rows.figures(JOB_TYPE, row.created_at)
    return None if figures.completed else "the row is not among the completed ones"
