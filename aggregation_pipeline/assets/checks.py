"""The checks of an entry as Dagster shows them: one verdict a run, whichever and however many windows it was over."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagster import AssetCheckKey, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, MetadataValue

from aggregation_pipeline.assets.keys import manifest_key, table_key
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.configured import ConfiguredCheck, configured_checks, expectation
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import NAMES_SET, NAMES_SET_DESCRIPTION, STANDARD_CHECKS

_TOLD = 200
_NOT_JUDGED = "Not judged: a blocking check failed before, and nothing was published."


def check_specs(entry: TableEntry) -> list[AssetCheckSpec]:
    """The checks that an entry asks for, and those that every table has.

    Not `blocking` in Dagster's sense: that one stops what comes after an asset that is there already; ours keep it from
    being there.
    """
    asked = {check.name: _asked(check) for check in configured_checks(entry.checks)}
    of_rows = [
        AssetCheckSpec(name, asset=table_key(entry.name), description=words)
        for name, words in {**asked, **STANDARD_CHECKS}.items()
    ]
    named = AssetCheckSpec(NAMES_SET, asset=manifest_key(entry.name), description=NAMES_SET_DESCRIPTION)
    return [*of_rows, *([] if entry.names == "none" else [named])]


def check_results(
    entry: TableEntry, selected: Sequence[AssetCheckKey], verdicts: Mapping[str | None, Sequence[CheckResult]]
) -> Iterator[AssetCheckResult]:
    """One result for each check; `verdicts` are by partition (None: the table is taken whole).

    Where a blocking check failed, those that come after it have nothing to judge. They get a result all the same:
    Dagster shows a check that it hears nothing of as failed, beside the one that did.
    """
    blocked = any(one.blocking and not one.passed for several in verdicts.values() for one in several)
    for spec in check_specs(entry):
        found = {key: one for key, several in verdicts.items() for one in several if one.name == spec.name}
        if spec.key not in selected:
            continue
        if not found:
            if blocked:
                yield AssetCheckResult(
                    passed=True, asset_key=spec.asset_key, check_name=spec.name, description=_NOT_JUDGED
                )
            continue
        bad = {key: one for key, one in found.items() if not one.passed}
        told = next(iter((bad or found).values()))
        severity = AssetCheckSeverity.WARN if told.severity == "warn" else AssetCheckSeverity.ERROR
        words = told.message
        metadata: dict[str, Any] = dict(told.numbers)
        if None not in found:
            metadata = {
                "partitions": len(found),
                "failed partitions": len(bad),
                **(metadata if len(found) == 1 else {}),
            }
            if bad:
                keys = [str(key) for key in bad]
                words = f"{', '.join(keys[:_TOLD])}{' and more' if len(keys) > _TOLD else ''}: {told.message}"
                metadata["failed"] = MetadataValue.json(
                    {str(key): one.message for key, one in list(bad.items())[:_TOLD]}
                )
        yield AssetCheckResult(
            passed=not bad,
            asset_key=spec.asset_key,
            check_name=spec.name,
            severity=severity,
            description=words,
            metadata=metadata,
        )


def _asked(check: ConfiguredCheck) -> str:
    words = expectation(check)
    # Dagster's own label says "non-blocking": it does not know of a gate before the asset.
    return f"Blocks publishing: {words}." if check.group.blocking else f"{words[0].upper()}{words[1:]}."
