"""The caveats of a manifest: what had to be changed in a dataset, and what SQL does not define.

The same data gives the same bytes only as far as the server returns the same rows. If it may not, someone who compares
two exports should learn that from the manifest.
"""

import re
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from aggregation_pipeline.extract import TIES, Dataset

_UNORDERED_CONCAT: Final = re.compile(r"GROUP_CONCAT\s*\((?:(?!ORDER\s+BY)[^()]|\([^()]*\))*\)", re.IGNORECASE)


def dataset_caveats(dataset: Dataset) -> Iterator[str]:
    """Yield the caveats of one dataset; equal datasets have equal caveats."""
    yield from _changed_dates(dataset)
    yield from _undefined_order(dataset)
    if dataset.name == "summary":
        yield from _undefined_figures(dataset)


def _changed_dates(dataset: Dataset) -> Iterator[str]:
    groups = "; as group keys, they form groups of their own" if dataset.name == "summary" else ""
    for column, count in dataset.zero_dates.items():
        yield f"{dataset.name}.{column}: {count} invalid dates, such as 0000-00-00, were written as NULL{groups}"


def _undefined_order(dataset: Dataset) -> Iterator[str]:
    if dataset.order == "none":
        yield f"{dataset.name}: the rows have no order; the server may return them in another order next time"
    if dataset.order.endswith(TIES):
        limit = ", and which of them the limit keeps may change" if dataset.truncated else ""
        yield (
            f"{dataset.name}: rows that are equal by order_by have no order{limit}; add a column to order_by that tells"
            " them apart"
        )


def _undefined_figures(summary: Dataset) -> Iterator[str]:
    floats = [field.name for field in summary.schema if pa.types.is_floating(field.type)]
    if floats:
        yield (
            f"summary.{', '.join(floats)}: floating-point figures; their last digits may differ if the server adds them"
            " up in another order"
        )
    if _UNORDERED_CONCAT.search(summary.sql):
        yield "summary: GROUP_CONCAT without ORDER BY joins values in any order"
    texts = [field.name for field in summary.schema if pa.types.is_string(field.type)]
    if texts and summary.order == "group keys":
        yield (
            f"summary.{', '.join(texts)}: if a collation ignores case, the server chooses which spelling stands for a"
            " group"
        )
