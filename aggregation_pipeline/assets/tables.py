"""One op a table: its asset, an asset a format, and its manifest. Lineage shows each; one process, lock and snapshot
serve all.
"""

import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BetaWarning,
    CodeReferencesMetadataValue,
    Failure,
    FreshnessPolicy,
    LocalFileCodeReference,
    MaterializeResult,
    RetryRequested,
    multi_asset,
)

from aggregation_pipeline.assets.checks import check_specs
from aggregation_pipeline.assets.execution import MAX_RETRIES, TableJob, run_checks, run_table
from aggregation_pipeline.assets.keys import export_key, manifest_key, table_key
from aggregation_pipeline.assets.partitions import backfill_policy, catch_up_condition
from aggregation_pipeline.assets.placeholders import build_placeholder
from aggregation_pipeline.assets.sources import source_of
from aggregation_pipeline.assets.specs import export_words, manifest_words, table_words
from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.config.scheduling import to_timedelta
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.io_managers.oss import TABLE_METADATA
from aggregation_pipeline.runs.asset_keys import group_of, op_name, segment


def build_table(job: TableJob) -> AssetsDefinition:
    """Build the assets of one entry, or what stands for one that cannot be used."""
    if job.entry.mistakes is not None:
        return build_placeholder(job.entry.name, table_specs(job), job.partitions, job.entry.mistakes)

    @multi_asset(
        name=op_name(job.entry.name),
        specs=table_specs(job),
        can_subset=True,
        required_resource_keys={"io_manager"},
        pool=source_pool(job.database),
        check_specs=check_specs(job.entry),
        partitions_def=job.partitions,
        backfill_policy=None if job.partitions is None else backfill_policy(job.entry.backfill),
    )
    def aggregate(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        try:
            yield from (run_table if context.selected_asset_keys else run_checks)(context, job)
        except PipelineError as error:
            # Only what may pass by itself is retried, after about 10 and 30 seconds.
            if error.retryable and context.retry_number < MAX_RETRIES:
                raise RetryRequested(MAX_RETRIES, seconds_to_wait=_pause(context.retry_number)) from error
            raise Failure(str(error)) from error

    return aggregate


def source_pool(database: str) -> str:
    """Name the pool that all tables read through one connection share: a slot is an open snapshot on that database's
    server.
    """
    return f"source_{segment(database)}"


def _pause(attempt: int) -> float:
    # Jitter keeps tables that lost the same server from coming back at the same moment.
    return 10.0 * (3.0**attempt) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def table_specs(job: TableJob) -> list[AssetSpec]:
    """Describe the assets of an entry, apart from what computes them."""
    entry = job.entry
    source = source_of(entry, job.database)
    common: dict[str, Any] = {
        "group_name": group_of(entry),
        "owners": entry.owners,
        "tags": entry.tags,
        "skippable": True,
    }
    metadata: dict[str, Any] = {TABLE_METADATA: entry.name, "aggregation/platform": entry.platform}
    if job.config is not None and entry.line is not None:
        metadata["dagster/code_references"] = _reference(entry.name, job.config, entry.line)
    if job.partitions is not None and job.crons:
        common["automation_condition"] = catch_up_condition(entry.catch_up)
    table = AssetSpec(
        table_key(entry.name),
        deps=[source.key],
        kinds={"mysql", "python"},
        description=table_words(job),
        metadata=metadata | {"dagster/table_name": source.metadata["dagster/table_name"]},
        freshness_policy=_freshness(entry),
        **common,
    )
    exports = [
        AssetSpec(
            export_key(entry.name, name),
            deps=[table.key],
            kinds={FORMATS[name].dagster_kind},
            description=export_words(job, name),
            metadata=metadata,
            **common,
        )
        for name in job.formats
    ]
    manifest = AssetSpec(
        manifest_key(entry.name),
        # The table too: its own lineage page shows neighbours only, and offers to materialize what it shows.
        deps=[table.key, *(spec.key for spec in exports)],
        kinds={"json"},
        description=manifest_words(job),
        metadata=metadata,
        **common,
    )
    return [table, *exports, manifest]


def _reference(name: str, config: Path, line: int) -> CodeReferencesMetadataValue:
    """The entry's lines in the YAML, to which the asset's page links."""
    with warnings.catch_warnings():
        # Marked beta; the version of Dagster is held, and its users can do nothing about it.
        warnings.simplefilter("ignore", BetaWarning)
        reference = LocalFileCodeReference(
            file_path=str(config.absolute()), line_number=line, label=f"{name} in {config.name}"
        )
        return CodeReferencesMetadataValue(code_references=[reference])


def _freshness(entry: TableEntry) -> FreshnessPolicy | None:
    if entry.freshness is None:
        return None
    warn = entry.freshness.warn_after
    return FreshnessPolicy.time_window(
        fail_window=to_timedelta(entry.freshness.fail_after), warn_window=None if warn is None else to_timedelta(warn)
    )
