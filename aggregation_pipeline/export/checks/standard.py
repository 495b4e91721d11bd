"""The checks that every table has, whatever its entry says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.storage.manifest import Manifest

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Extract

NOT_TRUNCATED: Final = "not_truncated"
SCHEMA_UNCHANGED: Final = "schema_unchanged"
SNAPSHOT_HELD: Final = "snapshot_held"
FORMATS_RECONCILED: Final = "formats_reconciled"
# Name and description of each check of the rows. Its description is also its message when it passes.
STANDARD_CHECKS: Final[Mapping[str, str]] = {
    NOT_TRUNCATED: "The entry's limit cut off no rows.",
    SCHEMA_UNCHANGED: "The columns and their types have not changed.",
    SNAPSHOT_HELD: "All rows are of one moment.",
    FORMATS_RECONCILED: "Every file holds exactly the rows that were read.",
}
# A check of the manifest rather than of the rows. Its outcome is known only when everything is published.
NAMES_SET: Final = "stable_names_set"
NAMES_SET_DESCRIPTION: Final = "The files of the window can be reached by their stable names."


def evaluate_standard_checks(extract: "Extract", reference: Manifest | None) -> tuple[CheckResult, ...]:
    """Evaluate the standard checks that need only the rows.

    Args:
        extract: what was read.
        reference: the manifest whose columns are expected; None before the first one.
    """
    return _not_truncated(extract), _schema_unchanged(extract, reference), _snapshot_held(extract)


def formats_reconciled(error: Exception | None) -> CheckResult:
    """Return whether the rendered files hold what was read. `error` says what is wrong with them."""
    message = STANDARD_CHECKS[FORMATS_RECONCILED] if error is None else str(error)
    return CheckResult(FORMATS_RECONCILED, error is None, "error", blocking=True, message=message)


def stable_names_set(problems: Sequence[str]) -> CheckResult:
    """Return whether the stable names could be set. `problems` has one text for each name that is wrong."""
    message = NAMES_SET_DESCRIPTION
    if problems:
        more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
        message = f"{len(problems)} stable names could not be set; the next publication sets them. {problems[0]}{more}"
    numbers = {"names not set": len(problems)}
    return CheckResult(NAMES_SET, not problems, "warn", blocking=False, message=message, numbers=numbers)


def _warning(name: str, problem: str, message: str | None = None) -> CheckResult:
    """A check of severity `warn`, failed if there is a `problem`; `message` replaces its description."""
    text = problem or message or STANDARD_CHECKS[name]
    return CheckResult(name, not problem, "warn", blocking=False, message=text)


def _not_truncated(extract: "Extract") -> CheckResult:
    cut = [dataset.name for dataset in extract.datasets if dataset.truncated]
    return _warning(NOT_TRUNCATED, f"limit cut off rows of {' and '.join(cut)}" if cut else "")


def _schema_unchanged(extract: "Extract", reference: Manifest | None) -> CheckResult:
    changes = [] if reference is None else list(_schema_changes(extract, reference))
    problem = f"{_who_changed(extract, reference)}{'; '.join(changes)}" if reference and changes else ""
    return _warning(SCHEMA_UNCHANGED, problem)


def _who_changed(extract: "Extract", reference: Manifest) -> str:
    if not (extract.columns_fingerprint and reference.columns_fingerprint):
        return ""
    if extract.columns_fingerprint == reference.columns_fingerprint:
        return "the source table has changed, the entry asks for the same: "
    return "the entry asks for other columns than the last time: "


def _schema_changes(extract: "Extract", reference: Manifest) -> Iterator[str]:
    before = {dataset.name: {column.name: column.type for column in dataset.columns} for dataset in reference.datasets}
    now = {dataset.name: {column.name: str(column.type) for column in dataset.schema} for dataset in extract.datasets}
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, {}), now.get(name, {})
        yield from (f"{name}.{column} is new" for column in new if column not in old)
        yield from (f"{name}.{column} is gone" for column in old if column not in new)
        yield from (
            f"{name}.{column} was {old[column]} and is {new[column]}"
            for column in new
            if column in old and old[column] != new[column]
        )


def _snapshot_held(extract: "Extract") -> CheckResult:
    if extract.consistency != "snapshot":
        engines = f" (engines: {extract.engines})" if extract.engines else ""
        problem = f"consistency: none in the entry; summary and detail rows may be of different moments{engines}"
        return _warning(SNAPSHOT_HELD, problem)
    if "unknown (" not in extract.engines:
        return _warning(SNAPSHOT_HELD, "")
    hidden = "view " in extract.engines or "table " in extract.engines
    remedy = "; GRANT SHOW VIEW on the view, and SELECT on its tables, shows more" if hidden else ""
    message = f"All rows are of one moment, as far as this account can see: engines {extract.engines}{remedy}."
    return _warning(SNAPSHOT_HELD, "", message)
