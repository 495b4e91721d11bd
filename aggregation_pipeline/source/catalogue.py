"""What a database says of its tables to `init`, in values of no kind of database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, Protocol

from aggregation_pipeline.config.table_entry import TableEntry

# Known by the database's statistics, by a count, by one that stopped at `COUNTED`, or not at all.
RowsKnown = Literal["estimated", "counted", "at least", "unknown"]
COUNTED: Final = 10_000
# What a row takes at least, where a server knows of rows and of no bytes.
_ROW_BYTES: Final = 20


class ColumnKind(Enum):
    """What the values of a column are, whatever their type is called."""

    SHORT_TEXT = "text of a bounded length"
    LONG_TEXT = "text of any length"
    ENUM = "a text of a fixed list"
    ADDRESS = "the address of a machine, as text"
    BOOLEAN = "yes or no"
    SMALL_INTEGER = "an integer of less than 32 bits"
    INTEGER = "an integer of 32 bits"
    BIG_INTEGER = "an integer of 64 bits or more"
    DECIMAL = "a number with a fixed point"
    FLOAT = "a binary number of single precision"
    DOUBLE = "a binary number of double precision"
    DATE = "a day"
    DATETIME = "what a clock on the wall showed, in no zone"
    INSTANT = "a moment"
    YEAR = "a year"
    BYTES = "bytes"
    OTHER = "anything else"


# By which tables can be cut into windows.
TIMES: Final = frozenset((ColumnKind.DATE, ColumnKind.DATETIME, ColumnKind.INSTANT))


@dataclass(frozen=True)
class CatalogueColumn:
    """A column of a table.

    Attributes:
        type: as the database calls it.
        comment: empty if it has none.
        max_length: of a text in characters, of bytes in bytes; 0 where there is no limit, and for other kinds.
        has_fraction: whether a number may be no whole number.
        definition: what columns have to have in common to be read as one, in the words of the database.
    """

    name: str
    kind: ColumnKind
    type: str = ""
    comment: str = ""
    nullable: bool = True
    max_length: int = 0
    has_fraction: bool = False
    definition: str = ""


@dataclass(frozen=True)
class Table:
    """A table or view of the database.

    Attributes:
        name: with the schema before it where the table is not in the usual one: `sales.orders`.
        written: what an entry has to call it; empty for its name alone.
        is_stored_view: whether it holds rows of other tables, as they were at some time.
        rows: how many there are, as far as `rows_known` says.
        size: bytes of its rows by the statistics; 0 where they say none.
    """

    name: str
    is_view: bool
    comment: str = ""
    rows: int = 0
    size: int = 0
    rows_known: RowsKnown = "unknown"
    written: str = ""
    is_stored_view: bool = False

    @property
    def weight(self) -> int:
        """How large it is beside others, as far as that is known."""
        return max(self.size, _ROW_BYTES * self.rows)


@dataclass(frozen=True)
class Structure:
    """The columns of a table, by name in their order, and its keys.

    Attributes:
        unique: columns that by themselves tell rows apart.
        leading: columns with which an index begins.
    """

    columns: Mapping[str, CatalogueColumn]
    primary_key: tuple[str, ...] = ()
    unique: frozenset[str] = field(default_factory=frozenset)
    leading: frozenset[str] = field(default_factory=frozenset)
    foreign_keys: frozenset[str] = field(default_factory=frozenset)


class Catalogue(Protocol):
    """What a session tells of tables. It reads, and a limit on time holds for each statement.

    Attributes:
        can_limit: whether the server ends a statement that takes too long.

    Each method raises SourceError where the server refuses to tell, and SourceLostError where it went away.
    """

    can_limit: bool

    def tables(self) -> list[Table]:
        """List the tables and views that the account can see, the largest first."""

    def structure(self, table: str) -> Structure:
        """Read a table's columns and keys."""

    def count(self, table: Table) -> Table:
        """Return the table with its rows counted, up to `COUNTED`, where the statistics say of none or of few."""

    def some_rows(self, table: str, structure: Structure, limit: int) -> Mapping[str, Sequence[str | None]]:
        """Read the cells of each column, by its name, from so many rows at most; bytes are left out.

        Nothing is sorted that an index does not sort. With the limit 0 the server only checks that it would give them.
        """

    def least(self, table: str, column: str) -> str:
        """Return the least time of a column with which an index begins, as ISO 8601; empty for none."""

    def gives_snapshots(self, entry: TableEntry) -> bool:
        """Whether all that the entry reads would be of one moment."""

    def deadline(self, seconds: int) -> AbstractContextManager[object]:
        """End what is asked in the body after so many seconds."""
