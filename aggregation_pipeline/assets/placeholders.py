"""The placeholder of an entry that cannot be used.

It has the entry's assets, so that their history stays visible, and an op that fails with the reason.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    multi_asset,
)

from aggregation_pipeline.assets.configured_table import ConfiguredTable

CONFIGURATION: Final = "configuration"


def build_placeholder(configured: ConfiguredTable, specs: Sequence[AssetSpec], issues: str) -> AssetsDefinition:
    """Build the assets of an entry, which nothing materializes. `issues` says why it cannot be used."""
    table = configured.keys.table

    @multi_asset(
        name=configured.scope.op_name(configured.entry.name),
        specs=[
            spec.replace_attributes(description=_description(issues, spec.description)) if spec.key == table else spec
            for spec in specs
        ],
        can_subset=True,
        partitions_def=configured.partitions,
        check_specs=[AssetCheckSpec(CONFIGURATION, asset=table, description=issues)],
    )
    def refuse(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        if AssetCheckKey(table, CONFIGURATION) in context.selected_asset_check_keys:
            yield AssetCheckResult(passed=False, asset_key=table, check_name=CONFIGURATION, description=issues)
        raise Failure(issues, allow_retries=False)

    return refuse


def _description(issues: str, description: str | None) -> str:
    return "\n\n".join(filter(None, (f"**Not run.** {issues}", description)))
