"""Which old column is which of ours, and by which columns rows are brought together."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.comparison.values.kinds import Column
from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ComparisonError

# How the manifest words the order of detail rows.
_PRIMARY_KEY: Final = re.compile(r"primary key \((.+)\)")


@dataclass(frozen=True)
class Matching:
    """The columns of both sides.

    Attributes:
        columns: those that are compared, in the order of ours.
        old_names: what the old file calls them.
        positions: of these columns among all of ours.
        keys: positions among `columns` by which rows are brought together.
        missing_keys: columns of the key that the old file does not have.
        only_ours: columns that the old file does not have.
        only_old: the other columns that ours do not have.
        arbitrary: columns of the old file alone that the old query took from any row of a group.
        one_row: whether each side has one row, which needs no key.
    """

    columns: tuple[Column, ...]
    old_names: tuple[str, ...]
    positions: tuple[int, ...]
    keys: tuple[int, ...]
    missing_keys: tuple[str, ...]
    only_ours: tuple[str, ...]
    only_old: tuple[str, ...]
    arbitrary: tuple[str, ...]
    one_row: bool = False


def match_columns(
    entry: TableEntry,
    ours: Sequence[Column],
    old: Sequence[str],
    *,
    order: str = "",
    only: Collection[str] = (),
    ignored: Collection[str] = (),
    key: Sequence[str] = (),
) -> Matching:
    """Match the columns by their names, without regard to case, blanks and backticks.

    Args:
        entry: whose rows are compared.
        ours: the columns of our dataset.
        old: those of the old file.
        order: how the manifest says that the rows are ordered, which names the primary key.
        only: the columns to compare; empty for all.
        ignored: columns that are not compared.
        key: the columns of the key, where somebody names them.

    Raises:
        ComparisonError: no column is on both sides, or an option names a column that is nowhere.
    """
    names = {comparable(column.name) for column in ours}
    _refuse_unknown(entry, names | set(map(comparable, old)), {"--columns": only, "--ignore": ignored, "--key": key})
    keys = [comparable(name) for name in key or key_columns(entry, order)]
    by_name = {comparable(name): name for name in reversed(old)}
    wanted, without = {comparable(name) for name in only}, {comparable(name) for name in ignored}

    def compared(name: str) -> bool:
        return name in keys or ((not wanted or name in wanted) and name not in without)

    pairs = [
        (position, column, by_name[name])
        for position, column in enumerate(ours)
        if (name := comparable(column.name)) in by_name and compared(name)
    ]
    if not pairs:
        raise ComparisonError(
            f"table {entry.name!r}: the two sides have no column in common. Ours are {_listed(c.name for c in ours)};"
            f" the old file's are {_listed(old)}. Give ours the old names with alias."
        )
    matched = {comparable(name) for _, _, name in pairs}
    only_ours = tuple(c.name for c in ours if comparable(c.name) not in by_name)
    only_old = [name for name in old if comparable(name) not in names]
    arbitrary = _arbitrary(entry, only_old, only_ours)
    return Matching(
        columns=tuple(column for _, column, _ in pairs),
        old_names=tuple(name for _, _, name in pairs),
        positions=tuple(position for position, _, _ in pairs),
        keys=tuple(place for place, (_, column, _) in enumerate(pairs) if comparable(column.name) in keys),
        missing_keys=tuple(name for name in key or key_columns(entry, order) if comparable(name) not in matched),
        only_ours=only_ours,
        only_old=tuple(name for name in only_old if name not in arbitrary and compared(comparable(name))),
        arbitrary=arbitrary,
        one_row=entry.datasets[0] == "summary" and not entry.group_by and not key,
    )


def _refuse_unknown(entry: TableEntry, known: Collection[str], options: Mapping[str, Iterable[str]]) -> None:
    for option, names in options.items():
        for name in names:
            if comparable(name) not in known:
                raise ComparisonError(f"table {entry.name!r}: {option} {name}: neither side has such a column.")


def _arbitrary(entry: TableEntry, only_old: Sequence[str], only_ours: Sequence[str]) -> tuple[str, ...]:
    """The columns that stood beside GROUP BY in the old query, as far as the entry tells: it has them as fields.

    Without fields they are what is left once all aggregations have found theirs.
    """
    if not entry.group_by:
        return ()
    fields = {comparable(field.name) for field in entry.select_fields}
    if fields and ALL_COLUMNS not in fields:
        return tuple(name for name in only_old if comparable(name) in fields)
    missing = {comparable(name) for name in only_ours} - {comparable(key.name) for key in entry.group_by}
    return () if missing else tuple(only_old)


def key_columns(entry: TableEntry, order: str) -> list[str]:
    """The names of a row's key: the group keys of a summary, the primary key of detail rows."""
    if entry.datasets[0] == "summary":
        return [key.name for key in entry.group_by]
    found = _PRIMARY_KEY.search(order)
    return found[1].split(", ") if found else []


def comparable(name: str) -> str:
    """The name without what differs between two ways of writing the same expression."""
    return re.sub(r"[\s`]", "", name).casefold()


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:20]) + (", ..." if len(found) > 20 else "")
