"""The jobs that compute the tables, one for each group."""

from collections.abc import Iterable

from dagster import AssetSelection, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.job_groups import NAMES_SHOWN, Group
from aggregation_pipeline.config.messages.listing import some_of


def selection_of(tables: Iterable[ConfiguredTable]) -> AssetSelection:
    """Select everything that belongs to these entries, checks included.

    It is one list of keys: of a union, Dagster would go through all checks of the deployment once for each part.
    """
    return AssetSelection.assets(*(key for table in tables for key in table.keys.every(table.formats)))


def build_job(group: Group) -> UnresolvedAssetJobDefinition:
    """Build the job of a group."""
    partition = group.tables[0].entry.partition
    each = "" if partition is None else f", one {partition.every} at a time"
    return define_asset_job(
        group.name,
        selection=selection_of(group.tables),
        description=f"In every format, with its manifest{each}: {some_of(group.names, NAMES_SHOWN)}.",
    )
