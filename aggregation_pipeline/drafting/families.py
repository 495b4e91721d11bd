"""Tables that are parts of one, by their names: they differ in one number only, as orders_00 to orders_15 do.

Parts by year, month or day are another matter: a new one comes each time, so a list of them is out of date soon.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from aggregation_pipeline.config.sql.shards import MOST_SHARDS
from aggregation_pipeline.drafting.entry_names import entry_name
from aggregation_pipeline.source.catalogue import RowsKnown, Table

FEWEST_PARTS: Final = 4
_NUMBER: Final = re.compile(r"[0-9]+")
# Other names would need backticks, in which braces are no range.
_PLAIN: Final = re.compile(r"[\w$-]+")
_VERSIONS: Final = re.compile(r"(?:^|[_-])(?:v|ver|version)[_-]?$", re.IGNORECASE)
_YEAR_BEFORE: Final = re.compile(r"(?:19|20)[0-9]{2}[_-]?(?:[mqwdMQWD]|(?:0?[1-9]|1[0-2])[_-]?)?$")
_MOST_OF_A_YEAR: Final = 53
_YEARS: Final = range(1970, 2100)
_MONTHS: Final = range(1, 13)
_DIGITS: Final = {"year": 4, "month": 6, "day": 8}
# Of thousands of tables only such families are looked for in which at least every second number is there.
_LEAST_SHARE: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Family(Table):
    """Several tables that are read as one; `name` is the text that names them: orders_{00..15}.

    Attributes:
        group: their names.
        members: the tables, in the same order.
        title: what the entry is called.
    """

    group: "Group"
    members: tuple[Table, ...]
    title: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The tables, by their numbers."""
        return self.group.names


class Group(NamedTuple):
    """Tables whose names differ in one number, which stands between the two texts."""

    before: str
    after: str
    names: tuple[str, ...]

    @property
    def numbers(self) -> list[str]:
        """The digits of each name."""
        return [name[len(self.before) : len(name) - len(self.after)] for name in self.names]

    @property
    def is_by_time(self) -> bool:
        """Whether the number is a year, a month or a day."""
        texts, numbers = self.numbers, list(map(int, self.numbers))
        if _YEAR_BEFORE.search(self.before) and min(numbers) >= 1 and max(numbers) <= _MOST_OF_A_YEAR:
            return True
        for digits in _DIGITS.values():
            if all(len(text) == digits and int(text[:4]) in _YEARS for text in texts):
                return digits == _DIGITS["year"] or all(int(text[4:6]) in _MONTHS for text in texts)
        # 2401 to 2412
        return min(numbers) > len(numbers) and all(len(text) == 4 and int(text[2:]) in _MONTHS for text in texts)

    @property
    def is_family(self) -> bool:
        """Whether the names are those of the parts of one table, as far as names tell."""
        numbers = sorted(map(int, self.numbers))
        return (
            2 <= len(numbers) <= MOST_SHARDS
            and len(set(numbers)) == len(numbers)
            and len(numbers) >= _LEAST_SHARE * (numbers[-1] - numbers[0] + 1)
            and not self.is_by_time
            and not _VERSIONS.search(self.before)
        )


def groups_of(names: Iterable[str]) -> list[Group]:
    """Group names that differ in one number, each name once, in the largest group that it can be in."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for number in _NUMBER.finditer(name) if _PLAIN.fullmatch(name) else ():
            found.setdefault((name[: number.start()], name[number.end() :]), []).append(name)
    used, groups = set[str](), []
    # Of equal groups the one whose number stands last.
    for (before, after), members in sorted(found.items(), key=lambda pair: (-len(pair[1]), len(pair[0][1]), pair[0])):
        free = [name for name in members if name not in used]
        if len(free) > 1:
            groups.append(
                Group(before, after, tuple(sorted(free, key=lambda n: int(n[len(before) : len(n) - len(after)]))))
            )
            used.update(free)
    return groups


def ranges_of(before: str, numbers: Sequence[str], after: str) -> list[str]:
    """The shortest names with ranges that mean tables with these numbers: orders_{00..02}, orders_04."""
    runs: list[list[str]] = []
    for text in sorted(numbers, key=int):
        first, last = (runs[-1][0], runs[-1][-1]) if runs else ("", "")
        padded = len(first) > 1 and first.startswith("0")
        fits = len(text) == len(last) if padded else not (len(text) > 1 and text.startswith("0"))
        if runs and int(text) == int(last) + 1 and fits:
            runs[-1].append(text)
        else:
            runs.append([text])
    return [f"{before}{{{run[0]}..{run[-1]}}}{after}" if len(run) > 1 else f"{before}{run[0]}{after}" for run in runs]


def family_of(group: Group, tables: Mapping[str, Table], taken: Collection[str]) -> Family:
    """Return the family of a group.

    Args:
        tables: by name.
        taken: case-folded names that its entry cannot have.
    """
    members = [tables[name] for name in group.names]
    stem = "_".join(filter(None, (group.before.rstrip("_-"), group.after.lstrip("_-")))) or "shards"
    titles = (entry_name(stem), f"{entry_name(stem)}_shards", entry_name(ranges_of(*_apart(group))[0]))
    known: set[RowsKnown] = {member.rows_known for member in members}
    return Family(
        name=", ".join(ranges_of(*_apart(group))),
        is_view=False,
        comment=members[0].comment,
        rows=sum(member.rows for member in members),
        size=sum(member.size for member in members),
        rows_known=_known(known),
        group=group,
        members=tuple(members),
        title=next((title for title in titles if title.casefold() not in taken), titles[-1]),
    )


def with_parts(family: Family, members: Sequence[Table]) -> Family:
    """The family with only these of its parts, as they are known now."""
    group = family.group._replace(names=tuple(member.name for member in members))
    return replace(family_of(group, {member.name: member for member in members}, ()), title=family.title)


def missing_parts(family: Family) -> list[str]:
    """The names between the first and the last part that are no part."""
    group, numbers = family.group, family.group.numbers
    width = len(numbers[0]) if len(numbers[0]) > 1 and numbers[0].startswith("0") else 0
    there = set(map(int, numbers))
    return [
        f"{group.before}{str(number).zfill(width)}{group.after}"
        for number in range(min(there), max(there) + 1)
        if number not in there
    ]


def names_of(table: Table) -> tuple[str, ...]:
    """The tables of the database that one to draft stands for."""
    return table.parts if isinstance(table, Family) else (table.name,)


def split_known(groups: Iterable[Group], knows: Callable[[str], bool]) -> Iterator[tuple[Group, list[str]]]:
    """Yield each family's group of tables that are not known, and those that come to a family that is known."""
    for group in groups:
        new = tuple(name for name in group.names if not knows(name))
        seen = len(group.names) - len(new)
        if not new or not group.is_family:
            continue
        if seen > 1 or (seen and len(group.names) >= FEWEST_PARTS):
            yield group, list(new)
        elif group._replace(names=new).is_family:
            yield group._replace(names=new), []


def _apart(group: Group) -> tuple[str, list[str], str]:
    return group.before, group.numbers, group.after


def _known(found: set[RowsKnown]) -> RowsKnown:
    for known in ("unknown", "at least", "estimated"):
        if known in found:
            return known
    return "counted"
