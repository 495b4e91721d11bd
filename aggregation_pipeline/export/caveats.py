"""What a manifest says of a dataset besides its figures: what had to be changed, and what SQL itself does not fix.

The same data gives the same bytes only as far as the server gives the same rows. Where it may not, a consumer who
compares two exports should know it from the manifest, not find it out.
"""

import re
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from aggregation_pipeline.extract import TIES, Dataset

_UNORDERED_CONCAT: Final = re.compile(r"GROUP_CONCAT\s*\((?:(?!ORDER\s+BY)[^()]|\([^()]*\))*\)", re.IGNORECASE)


def dataset_notes(dataset: Dataset) -> Iterator[str]:
    """Yield the notes on one dataset, in words; the same for the same dataset."""
    for column, count in dataset.zero_dates.items():
        apart = "; as group keys they are groups of their own" if dataset.name == "summary" else ""
        yield f"{dataset.name}.{column}: {count} dates that no calendar has were written as NULL{apart}"
    if dataset.order == "none":
        yield f"{dataset.name}: the rows have no order; the server may give them in another one next time"
    if dataset.order.endswith(TIES):
        kept = ", and another of them may be the last that limit keeps" if dataset.truncated else ""
        yield (
            f"{dataset.name}: rows that are equal by order_by have no order{kept}; a column that tells them apart"
            " gives one"
        )
    if dataset.name != "summary":
        return
    floats = [field.name for field in dataset.schema if pa.types.is_floating(field.type)]
    if floats:
        yield (
            f"summary.{', '.join(floats)}: floating-point figures; added up in another order, their last digits may"
            " differ"
        )
    if _UNORDERED_CONCAT.search(dataset.sql):
        yield "summary: GROUP_CONCAT without ORDER BY joins values in whatever order the server meets them"
    texts = [field.name for field in dataset.schema if pa.types.is_string(field.type)]
    if texts and dataset.order == "group keys":
        yield (
            f"summary.{', '.join(texts)}: where a collation ignores case, which spelling stands for a group is the"
            " server's choice"
        )
