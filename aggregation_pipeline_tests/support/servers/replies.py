"""What a replaying server answers to a statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aggregation_pipeline_tests.support.servers.packets import Cell, Column


@dataclass(frozen=True)
class ResultSet:
    """A result set."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]] = ()
    warnings: int = 0


@dataclass(frozen=True)
class Done:
    """A statement without a result."""

    warnings: int = 0


@dataclass(frozen=True)
class Error:
    """A refused statement, as in `Error(3170, "HY000", "...")`."""

    code: int
    state: str
    message: str


@dataclass(frozen=True)
class Forward:
    """The backend's answer, with changes.

    Attributes:
        sql: the statement to send instead, in which `\\1` is a group of the pattern.
        warnings: the warning count to send instead.
        columns: descriptions to send instead, by position.
        hidden: rows to leave out, by their first cell.
        more: rows to add.
    """

    sql: str | None = None
    warnings: int | None = None
    columns: Mapping[int, Column] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    more: Sequence[Sequence[Cell]] = ()


Reply = ResultSet | Done | Error | Forward
