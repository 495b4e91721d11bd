"""Jobs over the tables."""

from collections.abc import Sequence

from dagster import AssetSelection, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aggregation_pipeline.assets.names import export_key, manifest_key, table_key

AGGREGATE_JOB = "aggregate"


def table_selection(name: str, formats: Sequence[str]) -> AssetSelection:
    """Select everything that belongs to one entry, in `formats`."""
    return AssetSelection.assets(table_key(name), *(export_key(name, output) for output in formats), manifest_key(name))


def build_aggregate_job(tables: Sequence[tuple[str, Sequence[str]]]) -> UnresolvedAssetJobDefinition:
    """Build the job over all entries, given as (name, formats)."""
    selections = [table_selection(name, formats) for name, formats in tables]
    selection = selections[0]
    for other in selections[1:]:
        selection |= other
    return define_asset_job(
        AGGREGATE_JOB, selection=selection, description="Every table of aggregation.yaml, in every format, with its manifest."
    )
