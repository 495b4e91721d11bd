"""The checks of an entry as Dagster shows them: one result a run, whichever and however many windows it was over."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from dagster import AssetCheckKey, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, MetadataValue

from aggregation_pipeline.assets.keys import TableKeys
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.configured import ConfiguredCheck, configured_checks, expectation
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import NAMES_SET, NAMES_SET_DESCRIPTION, STANDARD_CHECKS

_PARTITIONS_NAMED: Final = 200
_NOT_EVALUATED: Final = "Not evaluated: a blocking check failed before, and nothing was published."

# The results of each window by partition key; None stands for a table that is read whole.
ResultsByWindow = Mapping[str | None, Sequence[CheckResult]]


def check_specs(entry: TableEntry, keys: TableKeys) -> list[AssetCheckSpec]:
    """Return the checks that an entry asks for, and those that every table has.

    They are not `blocking` in Dagster's sense: that stops what comes after an asset that is there already. Ours keep
    the asset from being published.
    """
    configured = {check.name: _description(check) for check in configured_checks(entry.checks)}
    of_rows = [
        AssetCheckSpec(name, asset=keys.table, description=description)
        for name, description in {**configured, **STANDARD_CHECKS}.items()
    ]
    of_names = AssetCheckSpec(NAMES_SET, asset=keys.manifest, description=NAMES_SET_DESCRIPTION)
    return of_rows if entry.names == "none" else [*of_rows, of_names]


def check_results(
    entry: TableEntry, keys: TableKeys, selected: Collection[AssetCheckKey], results: ResultsByWindow
) -> Iterator[AssetCheckResult]:
    """Yield one result for each selected check.

    After a blocking check has failed, the checks behind it have no outcome. They get a result all the same: Dagster
    shows a check without one as failed, beside the one that did fail.
    """
    blocked = any(result.blocking and not result.passed for window in results.values() for result in window)
    for spec in check_specs(entry, keys):
        if spec.key not in selected:
            continue
        found = {key: result for key, window in results.items() for result in window if result.name == spec.name}
        if found:
            yield _over_windows(spec, found)
        elif blocked:
            yield AssetCheckResult(
                passed=True, asset_key=spec.asset_key, check_name=spec.name, description=_NOT_EVALUATED
            )


def _over_windows(spec: AssetCheckSpec, found: Mapping[str | None, CheckResult]) -> AssetCheckResult:
    """One result for all windows of a run; it describes the first that failed, else the first."""
    failed = {str(key): result for key, result in found.items() if not result.passed}
    shown = next(iter((failed or found).values()))
    description, metadata = shown.message, dict[str, Any](shown.numbers)
    if None not in found:
        numbers = metadata if len(found) == 1 else {}
        metadata = {"partitions": len(found), "failed partitions": len(failed), **numbers}
        if failed:
            description = f"{some_of(list(failed), _PARTITIONS_NAMED)}: {shown.message}"
            messages = {key: failed[key].message for key in list(failed)[:_PARTITIONS_NAMED]}
            metadata["failed"] = MetadataValue.json(messages)
    return AssetCheckResult(
        passed=not failed,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=AssetCheckSeverity.WARN if shown.severity == "warn" else AssetCheckSeverity.ERROR,
        description=description,
        metadata=metadata,
    )


def _description(check: ConfiguredCheck) -> str:
    text = expectation(check)
    # Dagster labels the check "non-blocking", because it does not know that a check can act before the asset exists.
    return f"Blocks publishing: {text}." if check.group.blocking else f"{text[0].upper()}{text[1:]}."
