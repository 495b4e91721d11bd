"""The tables of an entry as they are read: its source table, or each of its shards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.sql.references import comparable_name, references_in
from aggregation_pipeline.config.sql.shards import neighbours
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.partition_condition import partition_condition
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.storage_engines import find_relations
from aggregation_pipeline.source.time_range import TimeRange

# Tables that a message names.
_SHOWN: Final = 8


@dataclass(frozen=True)
class Shard:
    """One table that an entry reads.

    Attributes:
        entry: the entry as if this were its only table.
        columns: of the table, by name.
        primary_key: its key columns in order; empty without one.
        condition: that a row belongs to the partition; None for the whole table.
    """

    entry: TableEntry
    columns: Mapping[str, SourceColumn]
    primary_key: tuple[str, ...]
    condition: str | None = None

    def in_clock(self, partition: TimeRange | None, clock: Clock) -> "Shard":
        """Return the same with the condition for a session with this clock.

        Raises:
            SourceError: the partition's column does not suit.
        """
        return replace(self, condition=partition_condition(self.entry, partition, self.columns, clock))


def find_shards(session: Session, entry: TableEntry) -> tuple[Shard, ...]:
    """Look up the tables of an entry, and refuse shards that are not like one table.

    Raises:
        SourceError: a shard is missing, is there under two names, or differs from the first; the message names it.
    """
    tables = entry.shards
    if len(tables) == 1:
        return (Shard(entry, session.columns(*entry.source_table), session.primary_key(*entry.source_table)),)
    _refuse_one_table_twice(session, tables)
    shards = [Shard(entry.of_shard(table), session.columns(*table), session.primary_key(*table)) for table in tables]
    if gone := [str(table) for table, shard in zip(tables, shards, strict=True) if not shard.columns]:
        them = "it" if len(gone) == 1 else "them"
        raise SourceError(
            f"table: there is no {some_of(gone, _SHOWN)}, or DB_USER may not read {them}. All {len(tables):,} shards of"
            f" {entry.table} have to be there, otherwise its rows would be missing: correct the entry's `table`, or"
            f" GRANT SELECT on {them}."
        )
    for problem in _differences(entry, tables, shards):
        raise SourceError(
            f"table: {problem}. Shards are read as one table, so what the entry uses has to be alike in all of them:"
            " ALTER the one that differs, or take it out of `table`."
        )
    return tuple(shards)


def unread_shards(session: Session, entry: TableEntry) -> str:
    """Say which tables seem to be further shards: the next numbers of the entry's ranges; empty if there are none."""
    found = find_relations(session, neighbours(entry.table)) if len(entry.shards) > 1 else {}
    there = [str(table) for table, relations in found.items() if relations]
    are = "is" if len(there) == 1 else "are"
    return f"{entry.table} leaves out {some_of(there, _SHOWN)}, which {are} there too" if there else ""


def _refuse_one_table_twice(session: Session, tables: Sequence[TableName]) -> None:
    """Refuse `orders_1, shop.orders_1` on a connection to shop."""
    if len({table.database for table in tables}) == 1:
        return
    current = str(session.row("SELECT DATABASE()")[0])
    seen: dict[tuple[str, str], TableName] = {}
    for table in tables:
        other = seen.setdefault(((table.database or current).casefold(), table.name.casefold()), table)
        if other != table:
            raise SourceError(
                f"table: {other} and {table} are the same table, and its rows would count twice; name it once."
            )


def _differences(entry: TableEntry, tables: Sequence[TableName], shards: Sequence[Shard]) -> Iterator[str]:
    """What tells shards from the first one, in words, as far as the entry uses it."""
    first = shards[0]
    everything = any(field.expr == ALL_COLUMNS for field in entry.select_fields)
    used = {name.comparable for _, sql in expressions_of(entry.query) for name in references_in(sql).names}
    used |= {comparable_name(entry.partition.column)} if entry.partition is not None else set()
    for table, shard in zip(tables, shards, strict=True):
        names = list(dict.fromkeys([*first.columns, *shard.columns]))
        for name in names:
            if everything or comparable_name(name) in used:
                ours, theirs = (_described(each.columns.get(name)) for each in (shard, first))
                if ours != theirs:
                    yield f"the column {name} of {table} {ours}, and that of {tables[0]} {theirs}"
        if everything and list(shard.columns) != list(first.columns):
            yield f"the columns of {table} are in another order than those of {tables[0]}: {', '.join(shard.columns)}"
        if entry.shard_column is not None and comparable_name(entry.shard_column) in map(comparable_name, names):
            yield f"{table} has a column {entry.shard_column} of its own; give shard_column another name"
        if entry.select_fields and entry.order == "primary_key" and shard.primary_key != first.primary_key:
            ours, theirs = (", ".join(each.primary_key) or "none" for each in (shard, first))
            yield f"the primary key of {table} is ({ours}), and that of {tables[0]} is ({theirs})"


def _described(column: SourceColumn | None) -> str:
    if column is None:
        return "is missing"
    collation = f" COLLATE {column.collation}" if column.collation else ""
    generated = f" AS ({column.generated})" if column.generated else ""
    return f"is {column.full_type}{collation}{generated}"
