"""What stands for an entry that cannot be used: its assets, so that their history stays in sight, and an op that says
what is wrong.
"""

from collections.abc import Iterator
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

from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.runs.asset_keys import op_name

CONFIGURATION: Final = "configuration"


def build_placeholder(name: str, specs: list[AssetSpec], partitions: Any, words: str) -> AssetsDefinition:  # noqa: ANN401
    """Build the assets of the entry `name`, which nothing materializes; `words` are its mistakes."""
    table = table_key(name)

    @multi_asset(
        name=op_name(name),
        specs=[
            spec.replace_attributes(description=_told(words, spec.description)) if spec.key == table else spec
            for spec in specs
        ],
        can_subset=True,
        partitions_def=partitions,
        check_specs=[AssetCheckSpec(CONFIGURATION, asset=table, description=words)],
    )
    def refuse(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        if AssetCheckKey(table, CONFIGURATION) in context.selected_asset_check_keys:
            yield AssetCheckResult(passed=False, asset_key=table, check_name=CONFIGURATION, description=words)
        raise Failure(words, allow_retries=False)

    return refuse


def _told(words: str, description: str | None) -> str:
    return "\n\n".join(filter(None, (f"**Not run.** {words}", description)))
