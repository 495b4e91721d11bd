"""All that is stored and may have to be changed, part by part. Nothing is changed here, or created."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.access.auth_file import FORMAT, read_auth_file
from aggregation_pipeline.batch_jobs.table import missing_columns
from aggregation_pipeline.errors import AccessError, SettingsError
from aggregation_pipeline.instance.schema import count_beginnings
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.local.instance import open_storage
from aggregation_pipeline.postgres.engine import create_engine, safe_reason
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.upgrade.dagster_storage import dagster_part
from aggregation_pipeline.upgrade.own_tables import own_parts
from aggregation_pipeline.upgrade.parts import Part

_NAME = "aggregation upgrade"


@contextmanager
def opened_storage(settings: Settings) -> Iterator[DagsterInstance | None]:
    """Open Dagster's storage; None where its tables are not there, because opening it would make them.

    Raises:
        SettingsError: PostgreSQL does not answer, or there is no dagster.yaml.
    """
    try:
        with create_engine(settings.require_dagster_url(), application_name=_NAME).connect() as connection:
            is_there = count_beginnings(connection) > 0
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"Dagster's PostgreSQL does not answer ({safe_reason(error)}). Check DAGSTER_PG_URL and that it runs"
        ) from None
    PostgresStorage.patience = 0.0
    with ExitStack() as stack:
        yield stack.enter_context(open_storage(settings)) if is_there else None


def all_parts(settings: Settings, instance: DagsterInstance | None) -> Iterator[Part]:
    """Yield each part.

    Raises:
        SettingsError: PostgreSQL does not answer.
    """
    if instance is None:
        yield Part("Dagster's tables", "absent", "not there: the first start makes them")
    else:
        yield dagster_part(instance, settings.require_dagster_url())
    yield from own_parts(settings)
    yield _batch_jobs(settings)
    yield _auth_file(settings)


def _batch_jobs(settings: Settings) -> Part:
    name = "public.batch_jobs"
    if settings.batch_jobs_url is None and settings.supabase_url is not None:
        return Part(
            name,
            "by hand",
            "by Supabase's REST: if CHANGELOG.md says so, run sql/record_batch_job.sql again in the SQL editor;"
            " `batch-jobs test --connection` tries its functions",
        )
    try:
        with create_engine(settings.require_batch_jobs_url(), application_name=_NAME).connect() as connection:
            missing = missing_columns(connection)
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"batch_jobs: PostgreSQL does not answer ({safe_reason(error)}). Check BATCH_JOBS_URL"
        ) from None
    if missing is None:
        return Part(name, "absent", "not there: the first run makes it")
    if missing:
        return Part(name, "unusable", f"it has no column {', '.join(missing)}, and is never altered: add them by hand")
    return Part(name, "current", "its columns never change")


def _auth_file(settings: Settings) -> Part:
    name = f"AUTH_FILE ({settings.auth_path})"
    try:
        found = read_auth_file(settings.auth_path)
    except AccessError as error:
        return Part(name, "unusable", str(error))
    if found is None:
        return Part(name, "absent", "not there: `aggregation-pipeline users add` makes it")
    return Part(name, "current", f"of format {FORMAT}")
