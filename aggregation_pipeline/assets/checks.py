"""The checks of an entry as Dagster shows them: one result of each for each window that a run was over.

A table with partitions has checks with the same partitions, so that each partition keeps its own verdict. Dagster calls
that a preview; what is stored of it has columns of its own since long before.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from aggregation_pipeline.assets.beta_warnings import without_beta_warnings
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.export.checks.configured import ConfiguredCheck, configured_checks, expectation
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import NAMES_SET, NAMES_SET_DESCRIPTION, STANDARD_CHECKS

_NOT_EVALUATED: Final = "Not evaluated: a blocking check failed before, and nothing was published."

# The results of each window by partition key; None stands for a table that is read whole.
ResultsByWindow = Mapping[str | None, Sequence[CheckResult]]
Reported = AssetCheckResult | AssetCheckEvaluation


def check_specs(table: ConfiguredTable) -> list[AssetCheckSpec]:
    """Return the checks that an entry asks for, and those that every table has.

    They are not `blocking` in Dagster's sense: that stops what comes after an asset that is there already. Ours keep
    the asset from being published.
    """
    configured = {check.name: _description(check) for check in configured_checks(table.entry.checks)}
    with without_beta_warnings():
        of_rows = [
            AssetCheckSpec(name, asset=table.keys.table, description=description, partitions_def=table.partitions)
            for name, description in {**configured, **STANDARD_CHECKS}.items()
        ]
        of_names = AssetCheckSpec(
            NAMES_SET,
            asset=table.keys.manifest,
            description=NAMES_SET_DESCRIPTION,
            partitions_def=table.partitions,
        )
    return of_rows if table.entry.names == "none" else [*of_rows, of_names]


def check_results(
    context: AssetExecutionContext, table: ConfiguredTable, results: ResultsByWindow
) -> Iterator[Reported]:
    """Yield one result for each window and each check that the run was asked for.

    After a blocking check has failed, the checks behind it have no outcome. They get a result all the same: Dagster
    shows a check without one as failed, beside the one that did fail.
    """
    keys = [spec.key for spec in check_specs(table) if spec.key in context.selected_asset_check_keys]
    targets: dict[AssetKey, Mapping[str, AssetCheckEvaluationTargetMaterializationData]] = {}
    for key in keys:
        for window, found in results.items():
            result = next((each for each in found if each.name == key.name), None)
            if result is None and any(each.blocking and not each.passed for each in found):
                result = CheckResult(key.name, passed=True, severity="error", blocking=False, message=_NOT_EVALUATED)
            if result is None:
                continue
            if window is None:
                yield _of_whole_table(key, result)
                continue
            if key.asset_key not in targets:
                partitions = [each for each in results if each is not None]
                targets[key.asset_key] = _newest_materializations(context.instance, key.asset_key, partitions)
            yield _of_partition(key, result, window, targets[key.asset_key].get(window))


def _of_whole_table(key: AssetCheckKey, result: CheckResult) -> AssetCheckResult:
    return AssetCheckResult(
        passed=result.passed,
        asset_key=key.asset_key,
        check_name=key.name,
        severity=_severity(result),
        description=result.message,
        metadata=dict(result.numbers),
    )


def _of_partition(
    key: AssetCheckKey,
    result: CheckResult,
    partition: str,
    target: AssetCheckEvaluationTargetMaterializationData | None,
) -> AssetCheckEvaluation:
    """An AssetCheckResult could not say of which of several partitions it is."""
    return AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.passed,
        metadata=dict(result.numbers),
        target_materialization_data=target,
        severity=_severity(result),
        description=result.message,
        blocking=False,
        partition=partition,
    )


def _newest_materializations(
    instance: DagsterInstance, asset: AssetKey, partitions: Collection[str]
) -> Mapping[str, AssetCheckEvaluationTargetMaterializationData]:
    """The last materialization of each partition; of a run that has just recorded them, its own."""
    records = instance.fetch_materializations(
        AssetRecordsFilter(asset, asset_partitions=list(partitions)), limit=len(partitions)
    ).records
    return {
        record.partition_key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.event_log_entry.run_id, timestamp=record.timestamp
        )
        for record in reversed(records)
        if record.partition_key is not None
    }


def _severity(result: CheckResult) -> AssetCheckSeverity:
    return AssetCheckSeverity.WARN if result.severity == "warn" else AssetCheckSeverity.ERROR


def _description(check: ConfiguredCheck) -> str:
    text = expectation(check)
    # Dagster labels the check "non-blocking", because it does not know that a check can act before the asset exists.
    return f"Blocks publishing: {text}." if check.group.blocking else f"{text[0].upper()}{text[1:]}."
