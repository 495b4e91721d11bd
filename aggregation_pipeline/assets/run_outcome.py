"""What a table's op has done so far, and how Dagster learns of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster import AssetExecutionContext, AssetKey, AssetMaterialization, DagsterEventType, MaterializeResult

from aggregation_pipeline.assets.metadata import Metadata
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.storage.manifest import Manifest

# Metadata of every asset of a window, in the order in which they are materialized.
WindowMetadata = Mapping[AssetKey, Metadata]


@dataclass
class RunOutcome:
    """What the op has done so far. It is filled window by window, so it is right whenever the run is interrupted.

    Keys are partition keys; None stands for a table that is read whole.

    Attributes:
        recorded: windows that earlier attempts of this op published and recorded.
        published: windows that this attempt published.
        check_results: by window, also of windows that a check kept from being published.
        failures: windows that could not be published.
        last_manifest: that of the window published last.
    """

    recorded: Mapping[str | None, WindowMetadata]
    published: dict[str | None, WindowMetadata] = field(default_factory=dict)
    check_results: dict[str | None, Sequence[CheckResult]] = field(default_factory=dict)
    failures: dict[str, PipelineError] = field(default_factory=dict)
    last_manifest: Manifest | None = None


def recorded_by_earlier_attempts(
    context: AssetExecutionContext, manifest: AssetKey, *, partitioned: bool
) -> Mapping[str | None, WindowMetadata]:
    """Return the windows that earlier attempts of this op have recorded; a retry leaves them as they are.

    `manifest` is the key of the table's manifest.
    """
    if context.retry_number == 0 or not partitioned:
        return {}
    found: dict[str | None, dict[AssetKey, Metadata]] = {}
    ours = {spec.key for spec in context.assets_def.specs}
    cursor, has_more = None, True
    while has_more:
        page = context.instance.get_records_for_run(
            context.run.run_id, cursor=cursor, of_type=DagsterEventType.ASSET_MATERIALIZATION
        )
        for record in page.records:
            made = record.asset_materialization
            if made is not None and made.asset_key in ours and made.partition is not None:
                found.setdefault(made.partition, {})[made.asset_key] = dict(made.metadata)
        cursor, has_more = page.cursor, page.has_more
    # The manifest is recorded last: without it, the window is not complete.
    return {key: metadata for key, metadata in found.items() if manifest in metadata}


def outputs(context: AssetExecutionContext, outcome: RunOutcome) -> Iterator[MaterializeResult[Any]]:
    """Yield one output for each selected asset, and log the others.

    An output speaks for all partitions of the run, also for those that an earlier attempt recorded.
    """
    windows = {**outcome.recorded, **outcome.published}
    assets = list(next(iter(windows.values())))
    selected = [asset for asset in assets if asset in context.selected_asset_keys]
    for asset in selected:
        # Not as the output's metadata: Dagster would store that in the event of the output too.
        for key, metadata in windows.items():
            context.add_asset_metadata(metadata[asset], asset_key=asset, partition_key=key)
        yield MaterializeResult(asset)
    # Assets that were made and not selected come after the assets that they are made of, or Dagster takes them for out
    # of date.
    for asset in [asset for asset in assets if asset not in selected]:
        for key, metadata in outcome.published.items():
            context.log_event(AssetMaterialization(asset, partition=key, metadata=metadata[asset]))


def published_windows(outcome: RunOutcome) -> Iterator[AssetMaterialization]:
    """Yield a record of each published window by itself, in a run that fails and so has no outputs."""
    for key, assets in outcome.published.items():
        for asset, metadata in assets.items():
            yield AssetMaterialization(asset, partition=key, metadata=metadata)
