"""The assets of an entry, apart from what computes them."""

from pathlib import Path
from typing import Any

from dagster import AssetDep, AssetSpec, CodeReferencesMetadataValue, FreshnessPolicy, LocalFileCodeReference

from aggregation_pipeline.assets.beta_warnings import without_beta_warnings
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.descriptions import export_description, manifest_description, table_description
from aggregation_pipeline.assets.needs import needs_of
from aggregation_pipeline.assets.partitions import catch_up_condition
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.instance.run_needs import NEEDS_METADATA
from aggregation_pipeline.resources.publisher import IO_MANAGER
from aggregation_pipeline.runs.asset_keys import group_of
from aggregation_pipeline.runs.tags import CODE_REFERENCES_KEY, PLATFORM_KEY, SOURCE_KEY, TABLE_KEY, TABLE_NAME_KEY


def table_specs(table: ConfiguredTable) -> list[AssetSpec]:
    """Return the assets of an entry: the table, one for each format, and the manifest."""
    entry = table.entry
    sources = table.source_assets
    source_name = str(next(iter(sources.values()))) if len(sources) == 1 else entry.table
    metadata = _definition_metadata(table)
    common: dict[str, Any] = {
        "group_name": group_of(entry),
        "owners": entry.owners,
        "tags": entry.tags,
        "skippable": True,
        "partitions_def": table.partitions,
    }
    if table.partitions is not None and table.crons:
        common["automation_condition"] = catch_up_condition(entry.catch_up)
    spec = AssetSpec(
        table.keys.table,
        deps=list(sources),
        kinds={entry.source_kind, "python"},
        description=table_description(table),
        metadata=metadata | {TABLE_NAME_KEY: source_name},
        freshness_policy=_freshness(entry),
        **common,
    )
    # One for all exports, because Dagster would make one for each.
    of_table = AssetDep(spec.key)
    exports = [
        AssetSpec(
            table.keys.export(name),
            deps=[of_table],
            kinds={FORMATS[name].dagster_kind},
            description=export_description(table, name),
            metadata=metadata,
            **common,
        )
        for name in table.formats
    ]
    manifest = AssetSpec(
        table.keys.manifest,
        # The table too: the lineage page of an asset shows only its neighbours, and offers to materialize those.
        deps=[of_table, *(export.key for export in exports)],
        kinds={"json"},
        description=manifest_description(table),
        metadata=metadata,
        **common,
    )
    specs = [spec, *exports, manifest]
    if table.scope.name:
        # The project around a component has an IO manager of its own, which knows nothing of tables.
        specs = [each.with_io_manager_key(table.scope.named(IO_MANAGER)) for each in specs]
    return specs


def _definition_metadata(table: ConfiguredTable) -> dict[str, Any]:
    entry = table.entry
    metadata: dict[str, Any] = {TABLE_KEY: entry.name, PLATFORM_KEY: entry.platform}
    if entry.source is not None:
        metadata[SOURCE_KEY] = entry.source
    if table.config is not None and entry.line is not None:
        metadata[CODE_REFERENCES_KEY] = _code_reference(entry.name, table.config, entry.line)
    if needs := needs_of(entry):
        metadata[NEEDS_METADATA] = needs
    return metadata


def _code_reference(name: str, config: Path, line: int) -> CodeReferencesMetadataValue:
    """The entry's lines in the YAML, to which the asset's page links."""
    with without_beta_warnings():
        reference = LocalFileCodeReference(
            file_path=str(config.absolute()), line_number=line, label=f"{name} in {config.name}"
        )
        return CodeReferencesMetadataValue(code_references=[reference])


def _freshness(entry: TableEntry) -> FreshnessPolicy | None:
    if entry.freshness is None:
        return None
    warn = entry.freshness.warn_after
    return FreshnessPolicy.time_window(
        fail_window=parse_duration(entry.freshness.fail_after),
        warn_window=None if warn is None else parse_duration(warn),
    )
