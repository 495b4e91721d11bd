"""The table batch_jobs, in PostgreSQL or behind Supabase's REST interface."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.errors import MirrorError, PipelineError
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.source.findings import Finding, failure, ok, warning

_SECONDS: Final = 15.0
_NAME: Final = "aggregation check"
_STATE: Final = sa.text("""
    SELECT to_regclass('public.batch_jobs') IS NOT NULL,
           COALESCE(row_security_active(to_regclass('public.batch_jobs')), false)
""")


def examine_batch_jobs(case: Case) -> Iterator[Finding]:
    """Look whether rows can be written, as far as that leaves none; with `fix`, make the table where it is missing."""
    settings = case.settings
    by_rest = settings.batch_jobs_url is None and settings.supabase_url is not None
    # Where it is not set, it is not what somebody has to look at.
    variable = settings.batch_jobs_variable
    for each in _rows(settings, "Supabase by REST") if by_rest else _in_postgres(case):
        text, remedy = (words.replace("BATCH_JOBS_URL", variable) for words in (each.text, each.remedy))
        yield replace(each, text=text, remedy=remedy)


def _in_postgres(case: Case) -> Iterator[Finding]:
    try:
        yield from _table(case)
    except MirrorError as error:
        yield failure("rows", str(error))
        return
    yield from _rows(case.settings, "PostgreSQL")


def _rows(settings: Settings, where: str) -> Iterator[Finding]:
    try:
        with repository_opener(settings, application_name=_NAME)(_SECONDS) as rows:
            rows.prove_writable(Owner(settings.deployment_name, "check"))
    except PipelineError as error:
        yield failure("rows", str(error))
    else:
        yield ok("rows", f"they can be written, in {where}")


def _table(case: Case) -> Iterator[Finding]:
    exists, secured = _state(case.settings)
    if not exists and case.fix:
        with repository_opener(case.settings, application_name=_NAME)(_SECONDS) as rows:
            rows.ensure_table()
        yield ok("table", "public.batch_jobs was missing, and has been created")
    elif not exists:
        yield warning(
            "table",
            "public.batch_jobs is not there yet; the first run creates it",
            "Create it now with `check --fix`, or by sql/create_batch_jobs_table.sql",
        )
    else:
        yield ok("table", "public.batch_jobs is there")
    if secured:
        yield warning(
            "row security",
            "row level security holds for this user, and may hide rows or refuse them",
            "Take the owner of the table in BATCH_JOBS_URL, or give this user a policy",
        )


def _state(settings: Settings) -> tuple[bool, bool]:
    engine = create_engine(settings.require_batch_jobs_url(), application_name=_NAME)
    try:
        with engine.connect() as connection, deadline(connection, _SECONDS):
            exists, secured = connection.execute(_STATE).one()
    except sa.exc.SQLAlchemyError as error:
        raise MirrorError(f"its PostgreSQL does not answer ({safe_reason(error)}). Check BATCH_JOBS_URL") from None
    return bool(exists), bool(secured)
