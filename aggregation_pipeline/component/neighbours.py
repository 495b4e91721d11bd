"""Components of one project must not take each other's names, nor write each other's files."""

from typing import Final
from weakref import WeakKeyDictionary

from dagster import ComponentLoadContext

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.storage.keys import table_folder

# By what Dagster makes anew for each load of a project: what was taken, and the place of who took it.
_taken: Final[WeakKeyDictionary[object, dict[tuple[str, ...], str]]] = WeakKeyDictionary()


def refuse_clashes(context: ComponentLoadContext, project: Project) -> None:
    """Refuse a component that has the name, the assets or the folders of another one of its project.

    Raises:
        ConfigError: says of which component, and what to change.
    """
    place = context.component_path
    here = f"{place.file_path}, number {place.instance_key}" if place.instance_key else str(place.file_path)
    scope, store = project.scope, _store(project.settings)
    _take(context, here, ("name", scope.name), f"is called {scope.name}, as this one: give one of them a `name`")
    for table in project.tables:
        name = table.entry.name
        key = table.keys.table.to_user_string()
        _take(context, here, ("asset", key), f"has the asset {key}, as this one: give one of them a `key_prefix`")
        folder = table_folder(project.settings.oss_prefix, name)
        remedy = "give one of them another OSS_PREFIX or STORAGE_DIR under `settings`, or the table another name"
        _take(context, here, ("folder", *store, folder), f"writes its files to {folder}, as this one: {remedy}")


def _take(context: ComponentLoadContext, here: str, what: tuple[str, ...], clash: str) -> None:
    other = _taken.setdefault(context.component_tree.state_tracker, {}).setdefault(what, here)
    if other != here:
        raise ConfigError(f"{here}: the component {other} {clash}.")


def _store(settings: Settings) -> tuple[str, str]:
    if settings.oss_bucket is not None:
        return "bucket", settings.oss_bucket
    return "folder", str(settings.storage_dir.resolve())
