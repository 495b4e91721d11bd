"""What must be true of an extract before anything is published."""

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.configured import RowsBefore, configured_checks, evaluate_configured_check
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import evaluate_standard_checks
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.storage.manifest import Manifest


def evaluate_checks(
    entry: TableEntry, extract: Extract, reference: Manifest | None, rows_before: RowsBefore
) -> tuple[CheckResult, ...]:
    """Evaluate all checks that need only the rows.

    Args:
        entry: with its groups of checks.
        extract: what was read.
        reference: the manifest of this window, or of the newest one; None before the first.
        rows_before: returns the rows of the window before; called only for `change_percent`.

    Raises:
        CheckError: a check names a column that is not in the files.
    """
    return (
        *evaluate_standard_checks(extract, reference),
        *(evaluate_configured_check(check, extract, rows_before) for check in configured_checks(entry.checks)),
    )
