"""The outcome of a check, and the number of rows that checks and metadata go by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aggregation_pipeline.config.checks import Severity
from aggregation_pipeline.storage.manifest import Manifest

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Extract


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one window.

    Attributes:
        blocking: if the check failed, nothing may be published.
        message: what was found, for people. It counts values and never quotes a value of the data.
        numbers: Dagster draws their history.
    """

    name: str
    passed: bool
    severity: Severity
    blocking: bool
    message: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def counted_rows(extract_or_manifest: "Extract | Manifest") -> int:
    """Return the number of detail rows, or of summary rows if the entry has no detail.

    min_rows, max_rows and change_percent go by this number, and the asset's page shows it.
    """
    by_name = {dataset.name: dataset.rows for dataset in extract_or_manifest.datasets}
    return by_name.get("detail", by_name.get("summary", 0))
