"""The rows of one table in an old file."""

from collections.abc import Iterable
from dataclasses import dataclass

from aggregation_pipeline.comparison.old.cells import Row


@dataclass
class OldTable:
    """One table; all but `rows` is known only when they are read.

    Attributes:
        rows: can be iterated over once.
        columns: the names of its columns in order; empty while no row is read.
        recorded: how many rows the file says that there are; None where it says nothing.
        failed: whether the Node service could not read the table.
        found: whether the file has the table.
    """

    rows: Iterable[Row]
    columns: tuple[str, ...] = ()
    recorded: int | None = None
    failed: bool = False
    found: bool = False
