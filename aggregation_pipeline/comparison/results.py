"""What a comparison found: counts of everything, and a bounded number of examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, overload

Status = Literal["equal", "differs", "not_compared"]
# Which side the database agrees with about one value or row today.
Agreement = Literal["ours", "old", "both", "neither"]
# No example shows more of a text.
LONGEST_SHOWN: Final = 80
MASKED: Final = "(masked)"
_EXIT_CODES: Final[Mapping[Status, int]] = {"equal": 0, "differs": 1, "not_compared": 2}


@dataclass
class ColumnResult:
    """What was found in one column.

    Attributes:
        differing: how many values differ.
        notes: how many equal values the old file could not hold as they are, by what it lost.
        late: by seconds, how many old moments are so much later than ours.
        unlike: how many differences are no mere shift or rounding.
        relative: the largest part by which two numbers differ.
        rises: how many numbers are larger in ours.
    """

    differing: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    late: Counter[int] = field(default_factory=Counter)
    unlike: int = 0
    relative: float = 0.0
    rises: int = 0


@dataclass
class Example:
    """One difference: a value, or a row that only one side has (then `column` is None).

    Attributes:
        key: the columns of the key, as they are shown.
        side: of a row that is there once, which side has it.
        database: which side the database agrees with; None where it was not asked.
    """

    key: Mapping[str, str | None]
    column: str | None = None
    ours: str | None = None
    old: str | None = None
    side: Literal["ours", "old"] | None = None
    database: Agreement | None = None


@dataclass(frozen=True)
class Reason:
    """Why something may differ: a code with its words in `texts.py`, about a column or the whole table."""

    code: str
    column: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass
class TableResult:
    """The comparison of one table.

    Attributes:
        problem: why it could not be compared.
        old_file: the address of the old file.
        old_moment: when it was written by its name, in ISO form.
        dataset: which of our datasets was compared.
        truncated: whether a limit cut ours.
        one_row: whether there is one row, which needs no key.
        columns_only_old: of the old file alone, without those that were arbitrary there.
        keys: the columns by which rows were brought together; empty if all columns were.
        duplicates: how many further rows of each side have a key that was there already.
        examples: a bounded number of differences.
        unasked: why the database was not asked; empty if it was, or nothing differs.
    """

    table: str
    window: str
    status: Status = "not_compared"
    problem: str | None = None
    old_file: str | None = None
    old_moment: str | None = None
    dataset: str | None = None
    our_rows: int = 0
    old_rows: int = 0
    truncated: bool = False
    one_row: bool = False
    equal_rows: int = 0
    differing_rows: int = 0
    only_ours: int = 0
    only_old: int = 0
    duplicates: dict[str, int] = field(default_factory=dict)
    keys: Sequence[str] = ()
    columns: dict[str, ColumnResult] = field(default_factory=dict)
    columns_only_ours: Sequence[str] = ()
    columns_only_old: Sequence[str] = ()
    arbitrary: Sequence[str] = ()
    examples: list[Example] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    unasked: str = ""

    @property
    def notes(self) -> Counter[tuple[str, str]]:
        """How many equal values lost something in the old file, by column and by what was lost."""
        return Counter(
            {(name, note): count for name, found in self.columns.items() for note, count in found.notes.items()}
        )


@dataclass
class Comparison:
    """All tables."""

    tables: list[TableResult]

    @property
    def exit_code(self) -> int:
        """0 if all are equal, 1 if one differs, 2 if one could not be compared."""
        return max((_EXIT_CODES[table.status] for table in self.tables), default=2)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"equal": self.exit_code == 0, "exit_code": self.exit_code, "tables": [*map(_fields, self.tables)]}


def _fields(table: TableResult) -> dict[str, Any]:
    # Python 3.11's asdict makes a count of pairs of a Counter: those of the columns are copied by hand.
    columns = {
        name: {
            **vars(found),
            "notes": dict(found.notes),
            "late": {str(seconds): count for seconds, count in found.late.items()},
        }
        for name, found in table.columns.items()
    }
    return asdict(replace(table, columns={})) | {"columns": columns}


@overload
def shown(text: str) -> str: ...
@overload
def shown(text: str | None) -> str | None: ...
def shown(text: str | None) -> str | None:
    """Return a value as an example shows it: not longer than people read, and without signs that act on terminals."""
    if text is None:
        return None
    short = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[:LONGEST_SHOWN])
    return short if len(text) <= LONGEST_SHOWN else f"{short}... ({len(text):,} characters)"
