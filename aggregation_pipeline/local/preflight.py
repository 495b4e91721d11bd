"""What every run needs besides its tables, checked by `plan` before a run.

The checks leave nothing behind.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import yaml
from dagster import DagsterError, Definitions
from dagster._core.instance.config import dagster_instance_config

from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import PipelineError, SettingsError
from aggregation_pipeline.local.instance import instance_folder
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.folder_writable import nearest_existing

_TIMEOUT_SECONDS: Final = 15.0
# Even a small window with its files may take more than this.
_LEAST_FREE_BYTES: Final = 64 * 1024 * 1024
# Dagster creates its tables with the first run. A replica takes no writes.
_MAY_WRITE: Final = sa.text("""
    SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off',
           CASE WHEN to_regclass('runs') IS NULL OR to_regclass('event_logs') IS NULL
                THEN current_schema() IS NOT NULL AND has_schema_privilege(current_schema(), 'CREATE')
                ELSE has_table_privilege('runs', 'INSERT') AND has_table_privilege('runs', 'UPDATE')
                     AND has_table_privilege('event_logs', 'INSERT') END
""")


@dataclass(frozen=True)
class Need:
    """One thing that every run needs. `problem` says what is wrong with it; None means that it is there."""

    name: str
    problem: str | None = None


def check_needs(project: Project) -> list[Need]:
    """Check one need after the other. If one is missing, its `problem` says so; nothing is raised."""
    settings = project.settings
    return [
        _checked("definitions", lambda: validate_definitions(project)),
        _checked("dagster.yaml", read_dagster_yaml),
        _checked("DAGSTER_PG_URL", lambda: prove_dagster_storage(settings.require_dagster_url())),
        _checked("batch_jobs", lambda: _batch_jobs(project)),
        _checked("files", lambda: open_store(settings).prove_writable(settings.oss_prefix)),
        _checked("TEMP_DIR", lambda: prove_folder(settings.temp_dir)),
        _checked("LOG_DIR", lambda: prove_folder(settings.log_dir)),
    ]


def _checked(name: str, check: Callable[[], object]) -> Need:
    try:
        check()
    except PipelineError as error:
        return Need(name, str(error))
    return Need(name)


def validate_definitions(project: Project) -> None:
    """Refuse what Dagster's services would refuse when they load: a schedule that never ticks, an unknown channel."""
    try:
        Definitions.validate_loadable(build_definitions(project))
    except DagsterError as error:
        raise SettingsError(f"Dagster's services would not load this: {str(error).strip()}") from error


def read_dagster_yaml() -> Mapping[str, Any]:
    """Return what dagster.yaml says.

    Raises:
        SettingsError: there is none, or Dagster cannot read it.
    """
    folder = instance_folder()
    try:
        config, _ = dagster_instance_config(str(folder))
    except (DagsterError, yaml.YAMLError, OSError) as error:
        raise SettingsError(
            f"{folder / 'dagster.yaml'} cannot be read: {str(error).strip().splitlines()[0]}"
        ) from error
    return config


def prove_dagster_storage(url: str) -> None:
    """Refuse a PostgreSQL that does not answer, takes no writes, or whose user may not write Dagster's tables."""
    engine = create_engine(url, application_name="aggregation plan")
    try:
        with closing(engine.connect()) as connection, deadline(connection, _TIMEOUT_SECONDS):
            writes, allowed = connection.execute(_MAY_WRITE).one()
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"Dagster's PostgreSQL does not answer ({safe_reason(error)})."
            " Check DAGSTER_PG_URL and that the server runs"
        ) from error
    if not writes:
        raise SettingsError(
            "Dagster's PostgreSQL takes no writes: it is a replica, or its user may only read. Name the primary"
        )
    if not allowed:
        raise SettingsError(
            "the user of DAGSTER_PG_URL may not write Dagster's tables, or may not create them. "
            "GRANT CREATE on the schema to it, or take the owner of the database"
        )


def _batch_jobs(project: Project) -> None:
    settings = project.settings
    with repository_opener(settings, application_name="aggregation plan")(_TIMEOUT_SECONDS) as rows:
        rows.prove_writable(Owner(settings.deployment_name, "plan"))


def prove_folder(folder: Path) -> None:
    """Refuse a folder in which no files can be created. It need not exist yet."""
    existing = nearest_existing(folder)
    if not existing.is_dir():
        raise SettingsError(f"{folder} is not a folder: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{folder}: this user may not write in {existing}. Correct its owner, or set another folder"
        )
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE_BYTES:
        raise SettingsError(f"{folder}: the disk has {free:,} bytes left. Free some, or set a folder on a larger disk")
