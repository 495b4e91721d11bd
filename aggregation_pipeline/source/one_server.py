"""Two sources that are one server: masks of the one say nothing of the other's tables, which are the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aggregation_pipeline.config.masked_columns import MaskedColumn, MaskedColumns
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.source.findings import Finding, warning
from aggregation_pipeline.source.kind import OtherSource, called
from aggregation_pipeline.source.options import SourceOptions

_MOST_SHOWN: Final = 4

MaskedByFullName = Mapping[tuple[str, str], Mapping[str, MaskedColumn]]


def by_full_name(masked: MaskedColumns, place: str) -> MaskedByFullName:
    """The masked columns by the comparable names of place and table.

    `place` is the database or schema of tables that are named without one.
    """
    found: dict[tuple[str, str], dict[str, MaskedColumn]] = {}
    for table, columns in masked.items():
        name = full_name(table, place)
        found[name] = found.get(name, {}) | dict(columns)
    return found


def full_name(table: TableName, place: str) -> tuple[str, str]:
    """The comparable names of a table's place and of the table."""
    return comparable_name(table.database or place), comparable_name(table.name)


def shown_in_words(entry: str, table: TableName, columns: Mapping[str, MaskedColumn]) -> str:
    """Say that an entry reads a table of which an entry of the other source masks columns."""
    first, names = next(iter(columns.values())), ", ".join(each.column for each in columns.values())
    return f"{entry} reads {table}, of which the entry {first.entry} masks {names}"


def one_server(options: SourceOptions, shown: Sequence[tuple[OtherSource, Sequence[str]]]) -> Iterator[Finding]:
    """Yield a warning, if entries of a source show what those of others mask, each with what is shown of it."""
    found = [
        f"{other.title}, at {other.options.where}, is the same server, and"
        f" {some_of(words, _MOST_SHOWN, separator='; ')}"
        for other, words in shown
        if words
    ]
    if found:
        yield warning(
            "masks",
            f"this is {called(options.name)}, at {options.where}. {'. '.join(found)}",
            "Masks hold within one source: mask the columns in entries of both, or use one source",
        )
