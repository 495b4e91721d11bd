"""Which tables a page of the list shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.overview.table_lines import STATES, TableLine, TableStateCode

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
    text = (query.text or "").strip().casefold()
    found = [
        line
        for line in tables
        if (query.owner is None or query.owner in line.owners) and (not text or text in _searched(line))
    ]
    order = {state: place for place, state in enumerate(STATES)}
    wanted = sorted((line for line in found if query.state in {None, line.state}), key=lambda line: order[line.state])
    pages = max(1, -(-len(wanted) // size))
    page = min(max(1, query.page), pages)
    counts = Counter(line.state for line in found)
    return TableList(
        tables=wanted[(page - 1) * size : page * size],
        found=len(wanted),
        page=page,
        pages=pages,
        states={state: counts[state] for state in STATES if counts[state]},
        owners=sorted({owner for line in tables for owner in line.owners}),
    )


def _searched(line: TableLine) -> str:
    return "\n".join(filter(None, (line.name, line.platform, line.group, *line.owners))).casefold()
