"""One op a table makes its asset, one asset for each format, and the manifest.

The lineage shows each of them, while one process, one window lock and one snapshot serve all.
"""

import inspect
from collections.abc import Iterator
from typing import Any, Final

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    Failure,
    MaterializeResult,
    RetryRequested,
    multi_asset,
)

from aggregation_pipeline.assets import retries
from aggregation_pipeline.assets.checks import Reported, check_specs
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import backfill_policy
from aggregation_pipeline.assets.placeholders import build_placeholder
from aggregation_pipeline.assets.specs import table_specs
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.export.observer import RunObserver
from aggregation_pipeline.instance.log_context import name_step
from aggregation_pipeline.resources.heartbeat import HEARTBEAT
from aggregation_pipeline.resources.publisher import PUBLISHER, Publisher
from aggregation_pipeline.runs.asset_keys import segment

_Events = Iterator[MaterializeResult[Any] | AssetMaterialization | Reported]
# That of each table's function. Dagster looks at it a dozen times for each table, and otherwise works it out anew.
_SIGNATURE: Final = inspect.Signature(
    [inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=AssetExecutionContext)],
    return_annotation=_Events,
)


def build_table(table: ConfiguredTable, observer: RunObserver) -> AssetsDefinition:
    """Build the assets of one entry, or the placeholder of one that cannot be used.

    `observer` gets the progress of runs in this process.
    """
    entry = table.entry
    name_step(table.scope.op_name(entry.name), entry.name)
    if entry.issues is not None:
        return build_placeholder(table, table_specs(table), entry.issues)

    publisher_key = table.scope.named(PUBLISHER)

    def aggregate(context: AssetExecutionContext) -> _Events:
        from aggregation_pipeline.export.without_pandas import leave_pandas_out

        leave_pandas_out()
        from aggregation_pipeline.assets.execution import run_checks, run_table

        publisher: Publisher = getattr(context.resources, publisher_key)
        try:
            if context.selected_asset_keys:
                yield from run_table(context, table, publisher, observer)
            else:
                yield from run_checks(context, table, publisher)
        except PipelineError as error:
            if retries.will_be_retried(error, context.retry_number):
                pause = retries.seconds_to_wait(context.retry_number)
                raise RetryRequested(retries.MAX_RETRIES, seconds_to_wait=pause) from error
            raise Failure(str(error)) from error

    aggregate.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
    build = multi_asset(
        name=table.scope.op_name(entry.name),
        specs=table_specs(table),
        can_subset=True,
        required_resource_keys={publisher_key, table.scope.named(HEARTBEAT)},
        pool=source_pool(table.database, entry.source),
        check_specs=check_specs(table),
        backfill_policy=None if table.partitions is None else backfill_policy(entry.backfill),
    )
    return build(aggregate)


def source_pool(database: str, source: str | None = None) -> str:
    """Return the pool of all tables that are read through one connection: a slot is an open snapshot on its server.

    The dot keeps a source by name apart from a database without one, no segment has it.
    """
    return f"source_{source}.{segment(database)}" if source else f"source_{segment(database)}"
