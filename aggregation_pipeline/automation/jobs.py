"""Jobs over the tables."""

import functools
import operator

from dagster import AssetSelection, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.keys import keys_of_table
from aggregation_pipeline.automation.job_groups import AGGREGATE_JOB, Group

__all__ = ["AGGREGATE_JOB", "build_job", "table_selection"]


def table_selection(table: ConfiguredTable) -> AssetSelection:
    """Select everything that belongs to one entry, checks included."""
    return AssetSelection.assets(*keys_of_table(table.entry.name, table.formats))


def build_job(group: Group) -> UnresolvedAssetJobDefinition:
    """Build the job of a group."""
    names = [table.entry.name for table in group.tables]
    told = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    each = "" if group.partitions is None else f", one {group.tables[0].entry.partition.every} at a time"  # type: ignore[union-attr]
    return define_asset_job(
        group.name,
        selection=functools.reduce(operator.or_, map(table_selection, group.tables)),
        description=f"In every format, with its manifest{each}: {told}.",
    )
