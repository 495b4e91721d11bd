"""Which tables and assets a launch is for, by the names that somebody gives."""

from collections.abc import Sequence

from dagster import AssetKey

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.keys import keys_of_table
from aggregation_pipeline.config.selection import select_names
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.project import Project


def chosen_tables(project: Project, names: Sequence[str] | None) -> list[ConfiguredTable]:
    """Return the tables with these names (None: all), in the order of the project.

    Raises:
        ConfigError: a table that is not configured; the message lists those that are.
    """
    known = [table.entry.name for table in project.tables]
    chosen = set(known if names is None else select_names(names, known))
    return [table for table in project.tables if table.entry.name in chosen]


def select_assets(project: Project, tables: Sequence[str] | None, formats: Sequence[str] | None) -> list[AssetKey]:
    """Return the assets of `tables` (None: all) in `formats` (None: the configured ones), with their manifests.

    Raises:
        ConfigError: a table or format that is not configured; the message lists those that are.
    """
    keys: list[AssetKey] = []
    for table in chosen_tables(project, tables):
        missing = [output for output in formats or () if output not in table.formats]
        if missing:
            raise ConfigError(
                f"table {table.entry.name!r} is not exported as {', '.join(missing)}; its formats are"
                f" {', '.join(table.formats)}. Add to OUTPUT_FORMAT, or to `formats` in its entry."
            )
        keys += keys_of_table(table.entry.name, formats or table.formats)
    return keys
