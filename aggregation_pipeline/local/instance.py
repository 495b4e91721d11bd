"""Dagster's storage, opened for a command or for the web process."""

import os
from pathlib import Path

from dagster import DagsterInstance

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.value_files import hand_down


def open_instance(project: Project) -> DagsterInstance:
    """Open Dagster's storage as `open_storage` does, but fail at once if PostgreSQL does not answer.

    For commands: a person waits for them, and should not wait for minutes.
    """
    PostgresStorage.patience = 0.0
    return open_storage(project.settings)


def open_storage(settings: Settings) -> DagsterInstance:
    """Open the storage that the dagster.yaml in DAGSTER_HOME, or else in the working folder, names.

    Raises:
        SettingsError: there is no dagster.yaml, or DAGSTER_PG_URL is not set.
    """
    # dagster.yaml reads this variable, which may stand only in .env.
    hand_down(os.environ, {"DAGSTER_PG_URL": settings.require_dagster_url()})
    folder = instance_folder()
    return DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else DagsterInstance.from_config(str(folder))


def instance_folder() -> Path:
    """Return DAGSTER_HOME, or else the working folder if it has a dagster.yaml.

    Raises:
        SettingsError: there is neither.
    """
    home = os.environ.get("DAGSTER_HOME")
    if home:
        folder = Path(home).expanduser()
        if not folder.is_absolute() or not folder.is_dir():
            raise SettingsError(
                f"DAGSTER_HOME={home} is not the absolute path of a folder. Dagster takes nothing else."
            )
        return folder
    if not Path("dagster.yaml").is_file():
        raise SettingsError(
            "There is no dagster.yaml here and DAGSTER_HOME is not set: run this in the project's folder, or set"
            " DAGSTER_HOME."
        )
    return Path.cwd()
