"""Which tables a page of the list shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.overview.table_lines import TableLine, TableStateCode

TABLES_ON_A_PAGE: Final = 50


@dataclass(frozen=True)
class TableQuery:
    """Which tables are wanted; None means any.

    Attributes:
        text: a part of the name, the platform, the group or an owner, in any case.
        page: from 1 on; a page that there is not is the nearest one.
    """

    text: str | None = None
    state: TableStateCode | None = None
    owner: str | None = None
    page: int = 1


@dataclass(frozen=True)
class TableList:
    """A page of tables: those with something wrong first, by STATES, then as in the configuration.

    Attributes:
        found: how many tables the query finds; of all pages.
        states: how many tables are in each state, of those that text and owner find; states without one are missing.
        owners: all owners of all tables, sorted.
    """

    tables: Sequence[TableLine]
    found: int
    page: int
    pages: int
    states: Mapping[TableStateCode, int]
    owners: Sequence[str]


def select_tables(tables: Sequence[TableLine], query: TableQuery, size: int = TABLES_ON_A_PAGE) -> TableList:
    """Return the tables that a query wants."""
    raise NotImplementedError
