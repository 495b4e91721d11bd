"""Dagster's own tables: the version of their schema, and the migrations of what is in them."""

import functools
from collections.abc import Callable

import sqlalchemy as sa
from dagster import DagsterInstance
from dagster._core.storage.event_log.migration import ASSET_DATA_MIGRATIONS
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.migration import REQUIRED_DATA_MIGRATIONS
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.schema import one_process_at_a_time
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.upgrade.parts import Part

_NAME = "Dagster's tables"
NEWER_DAGSTER = (
    "the Dagster that is installed does not know: a newer one made them. Install requirements/runtime.lock of the"
    " version that was at work before, or of a newer one"
)


def dagster_part(instance: DagsterInstance, url: str) -> Part:
    """Return how far Dagster's tables are behind the Dagster that is installed."""
    stored, newest = instance.run_storage.alembic_version() or (None, None)
    waiting = _data_migrations(instance)
    if stored == newest and not waiting:
        return Part(_NAME, "current", f"of version {stored}")
    if stored is not None and not is_known(stored):
        return Part(_NAME, "unusable", f"of version {stored}, which {NEWER_DAGSTER}")
    if stored == newest:
        what = f"of version {stored}; what is in them has to be migrated: {', '.join(waiting)}"
    else:
        what = f"of version {stored}, and the Dagster that is installed needs {newest}"
    return Part(_NAME, "pending", what, functools.partial(_migrate, instance, url))


def is_known(revision: str) -> bool:
    """Return whether the Dagster that is installed has this version of the tables, or had it once."""
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
    from dagster_postgres import run_storage
    from dagster_postgres.utils import pg_alembic_config

    try:
        return ScriptDirectory.from_config(pg_alembic_config(run_storage.__file__)).get_revision(revision) is not None
    except CommandError:
        return False


def _data_migrations(instance: DagsterInstance) -> list[str]:
    """The migrations of rows that `dagster instance migrate` has not finished."""
    runs, events = instance.run_storage, instance.event_log_storage
    waiting = []
    if isinstance(runs, SqlRunStorage):
        waiting += [name for name in REQUIRED_DATA_MIGRATIONS if not runs.has_built_index(name)]
    if isinstance(events, SqlEventLogStorage):
        waiting += [name for name in ASSET_DATA_MIGRATIONS if not events.has_secondary_index(name)]
    return waiting


def _migrate(instance: DagsterInstance, url: str, report: Callable[[str], None]) -> None:
    """Do what `dagster instance migrate` does. A service that starts meanwhile waits for the end.

    Raises:
        SettingsError: PostgreSQL refuses a change. What was done before stays, and the rest may be repeated.
    """
    try:
        with one_process_at_a_time(url):
            instance.upgrade(report)
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"Dagster's tables could not be changed ({safe_reason(error)}). What was done before stays. The user of"
            " DAGSTER_PG_URL has to own the tables; correct that, and run `aggregation-pipeline upgrade` again"
        ) from None
