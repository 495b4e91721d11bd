"""What some rows of a table say of its columns. Values are looked at here and leave this module as counts only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.drafting.chinese_names import is_chinese_name
from aggregation_pipeline.drafting.personal_kinds import Kind
from aggregation_pipeline.drafting.personal_values import holds_personal, kind_of_value

# At least this share of the values has to be of a kind.
_SHARE: Final = 0.8
# Of one value alone, a name is chance.
_FEWEST_NAMES: Final = 2
# What is written where there is nothing to write.
_EMPTY: Final = frozenset(
    ("", "-", "--", "/", "0", "无", "暂无", "未知", "没有", "null", "none", "nil", "n/a", "na", "unknown")
)
# One number in ten has the right check digit by chance.
_FEWEST_BANK_CARDS: Final = 5
_YEARS: Final = range(1900, 2101)
_SECONDS: Final = range(10**9, 2 * 10**9)
_MILLISECONDS: Final = range(10**12, 2 * 10**12)


@dataclass(frozen=True)
class ColumnFacts:
    """What the sampled rows say of a column.

    Attributes:
        filled: how many of its values are neither NULL nor empty.
        distinct: how many different ones there are.
        kind: the kind of personal data that most of them are.
        holds_personal: whether personal data stands inside of a longer text.
        years, epoch: whether all of them look like years, or like seconds or milliseconds since 1970.
    """

    filled: int = 0
    nulls: int = 0
    distinct: int = 0
    kind: Kind | None = None
    holds_personal: bool = False
    years: bool = False
    epoch: bool = False


@dataclass(frozen=True)
class Sample:
    """The facts of each column, by name, from so many rows."""

    rows: int = 0
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict)

    def of(self, column: str) -> ColumnFacts:
        """Return the facts of a column; those of no value for one that was not sampled."""
        return self.columns.get(column, ColumnFacts())


def facts_of_rows(cells: Mapping[str, Sequence[str | None]]) -> Sample:
    """Look at the cells of each column, by its name."""
    rows = max(map(len, cells.values()), default=0)
    return Sample(rows, {name: facts_of(values) for name, values in cells.items()})


def facts_of(values: Sequence[str | None]) -> ColumnFacts:
    """Look at the values of one column."""
    filled = [value for value in values if value and not value.isspace()]
    if not filled:
        return ColumnFacts(nulls=values.count(None))
    numbers = [int(value) for value in filled if value.isascii() and value.isdigit() and len(value) < 20]
    return ColumnFacts(
        filled=len(filled),
        nulls=values.count(None),
        distinct=len(set(filled)),
        kind=_kind_of([value for value in filled if value.strip().casefold() not in _EMPTY]),
        holds_personal=any(map(holds_personal, filled)),
        years=len(numbers) == len(filled) and all(number in _YEARS for number in numbers),
        epoch=len(numbers) == len(filled)
        and all(number in _SECONDS or number in _MILLISECONDS for number in numbers if number),
    )


def _kind_of(told: Sequence[str]) -> Kind | None:
    """The kind of most values that say something."""
    kinds = Counter(map(kind_of_value, told))
    kinds.pop(None, None)
    kind, count = kinds.most_common(1)[0] if kinds else (None, 0)
    # A column may hold a phone number here and an address there.
    if kinds.total() >= _SHARE * len(told) and (kind != "bank_card" or count >= _FEWEST_BANK_CARDS):
        return kind
    # A word that is there often is no more of a name for that.
    different = {value.strip() for value in told}
    names = sum(map(is_chinese_name, different))
    return "name" if names >= max(_FEWEST_NAMES, _SHARE * len(different)) else None
