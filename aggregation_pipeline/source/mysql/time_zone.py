"""Choose the clock that a session computes in, by what the entry computes and what the server knows.

1. If nothing in the entry converts instants to clock readings, the session keeps the offset of the logical time. All
   TIMESTAMP values are exact in it, on every server, with or without time zone tables.
2. If the entry does, and the server knows the zone by name exactly as Python's tzdata does, the session uses the name.
3. If the server does not, but the zone has one offset for all instants that the entry converts, the session uses that
   offset.
4. Otherwise the table is refused, and the message says what to do. What a view converts cannot be seen, so for a view
   the manifest gets a note instead.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aggregation_pipeline.config.sql.hints import read_hints
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.clock_conversions import ClockConversions, TableColumns, find_clock_conversions
from aggregation_pipeline.source.mysql.full_group_by import full_group_by_disabled
from aggregation_pipeline.source.mysql.referenced_tables import references_of_entry
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.shard import Shard
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines
from aggregation_pipeline.timezones.wall_clock import SHORTEST_OFFSET, format_offset, offsets_of, utc_offset

log = logging.getLogger(__name__)

# The last instant that FROM_UNIXTIME accepts on every server.
_LAST_COMPARED: Final = 2**31 - 1
# Outputs in one statement; MySQL allows 4,096.
_OUTPUTS: Final = 1000
# (server, zone) where the server's tables agree with tzdata. One that does not agree may be corrected at any time, so
# it is compared again.
_agreeing: Final[set[tuple[str, str]]] = set()


def choose_clock(
    session: Session,
    shards: Sequence[Shard],
    moment: datetime,
    engines: StorageEngines,
) -> Session:
    """Return the session with the clock that suits the entry; the snapshot stays the same.

    Args:
        session: at the offset of the logical time, or at UTC if servers do not accept that offset.
        shards: the tables that are read, with conditions for the session as it is.
        moment: the logical time.
        engines: what is known of the tables.

    Raises:
        SourceError: the entry converts instants to clock readings, and the server cannot do that right.
    """
    zone, offset = session.clock.zone, session.clock.offset_seconds
    shifted = utc_offset(zone, moment) != offset
    if len(offsets_of(zone).starts) == 1 and not shifted:
        return session
    conversions = _conversions(session, shards, engines)
    if not conversions and not shifted:
        return session
    wrong = _server_differs(session)
    if not wrong:
        session.set_time_zone(session.clock.zone.key)
        return replace(session, clock=replace(session.clock, offset_seconds=None))
    return _with_one_offset(session, shards, conversions, moment, wrong)


def _conversions(session: Session, shards: Sequence[Shard], engines: StorageEngines) -> ClockConversions:
    # Shards are alike in what the entry uses, so one stands for all; but one of them may be a view.
    entry, columns = shards[0].entry, shards[0].columns.values()
    others = references_of_entry(entry).tables - {entry.source_table}
    known = {table: _table_columns(table, session.columns(*table).values(), engines) for table in others}
    views = (shard.entry.source_table for shard in shards if shard.entry.source_table in engines.views)
    own = _table_columns(next(views, entry.source_table), columns, engines)
    return find_clock_conversions(entry, replace(own, table=entry.source_table.sql), known, engines.stored_functions)


def _table_columns(table: TableName, columns: Collection[SourceColumn], engines: StorageEngines) -> TableColumns:
    # information_schema does not list the period columns of a system-versioned table.
    periods = {"row_start", "row_end"} if table in engines.versioned else set()
    return TableColumns(
        table.sql,
        frozenset(column.name.lower() for column in columns if column.type == "timestamp") | periods,
        {column.name.lower(): column.virtual for column in columns if column.virtual},
        table in engines.views,
    )


def _server_differs(session: Session) -> str:
    """Say how the server's tables for the zone differ from tzdata; empty if they agree."""
    server_and_zone = (session.identity, session.clock.zone.key)
    if server_and_zone in _agreeing:
        return ""
    wrong = _compare(session)
    if wrong:
        log.info("%s at %s", wrong, session.identity)
    else:
        _agreeing.add(server_and_zone)
    return wrong


def _compare(session: Session) -> str:
    zone = session.clock.zone
    before = session.clock.time_zone
    try:
        session.set_time_zone(zone.key)
    except SourceLostError:
        raise
    except SourceError:
        return f"the server does not know the time zone {zone.key} by its name"
    changes = [int(start) for start in offsets_of(zone).starts if 0 < start <= _LAST_COMPARED]
    # Old tables of a server change the clock where tzdata does not, for example in zones that gave up summer time.
    between = range(SHORTEST_OFFSET, _LAST_COMPARED, SHORTEST_OFFSET)
    moments = [*between, *(moment for change in changes for moment in (change - 1, change))]
    try:
        shown = [
            text
            for group in _groups(moments, _OUTPUTS)
            for text in session.row(f"SELECT {', '.join(map(_from_unixtime, group))}")
        ]
    finally:
        session.set_time_zone(before)
    for moment, text in zip(moments, shown, strict=True):
        if str(text)[:19] != datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M:%S"):
            day = datetime.fromtimestamp(moment, UTC).date()
            return f"the server's time zone tables differ from tzdata for {zone.key}, around {day}"
    return ""


def _groups(moments: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (moments[start : start + size] for start in range(0, len(moments), size))


def _from_unixtime(moment: int) -> str:
    return f"CAST(FROM_UNIXTIME({moment}) AS CHAR)"


def _with_one_offset(
    session: Session,
    shards: Sequence[Shard],
    conversions: ClockConversions,
    moment: datetime,
    wrong: str,
) -> Session:
    zone = session.clock.zone
    present = utc_offset(zone, moment)
    instants = _converted_range(session, shards, conversions)
    offset = present if instants is None else offsets_of(zone).constant_between(*instants)
    if not conversions and not conversions.present and not _set_offset(session, present):
        # Instants are exact at any offset.
        return session
    if (
        conversions.unknown
        or offset is None
        or (conversions.present and offset != present)
        or not _set_offset(session, offset)
    ):
        why = "; ".join(dict.fromkeys(conversions.unknown)) or _why_not(instants, zone.key)
        what = conversions.where[0] if conversions.where else "the time of the run (NOW() and the like)"
        raise SourceError(
            f"{what} converts instants to the clock of {zone.key}, which changes with the season, and {wrong}. A fixed"
            f" offset would be wrong for some of them: {why}. {_load_tables(session)}, leave out the expression, or set"
            " the table's timezone to one without summer time."
        )
    note = ""
    if conversions.views:
        note = (
            f"instants that the view {' or '.join(conversions.views)} converts are shown at UTC{format_offset(offset)}"
            f" all year round: {wrong}. {_load_tables(session)}"
        )
    return replace(session, clock=Clock(zone, offset, note))


def _load_tables(session: Session) -> str:
    """What the server's administrator can do."""
    tool = "mariadb-tzinfo-to-sql" if "mariadb" in session.server.casefold() else "mysql_tzinfo_to_sql"
    return (
        f"Load the server's time zone tables ({tool} /usr/share/zoneinfo, fed to its database mysql; or ask whoever"
        " runs it)"
    )


def _set_offset(session: Session, offset: int) -> bool:
    """Set the session's offset; return False if the server does not accept one so large."""
    if offset == session.clock.offset_seconds:
        return True
    try:
        session.set_time_zone(format_offset(offset))
    except SourceLostError:
        raise
    except SourceError:
        return False
    return True


def _converted_range(
    session: Session, shards: Sequence[Shard], conversions: ClockConversions
) -> tuple[int, int] | None:
    """The first and last instant that the entry converts, in seconds; None if there is none or not all are known."""
    if conversions.unknown:
        return None
    found: list[int] = []
    for table, expressions in conversions.ranges.items():
        outputs = ", ".join(f"MIN({one}), MAX({one})" for one in expressions)
        is_own = table == shards[0].entry.source_table.sql
        own = [_rows_of(shard) for shard in shards] if is_own else [table]
        select = session.hints_of(shards[0].entry).select if is_own else "SELECT"
        for rows in own:
            with full_group_by_disabled(session.driver_connection):
                row = session.row(f"{select} {outputs} FROM {rows}")
            found += [int(float(value)) for value in row if value is not None]
    return (min(found), max(found)) if found else None


def _rows_of(shard: Shard) -> str:
    table = shard.entry.source_table.sql
    index, condition = read_hints(shard.entry.hints).index, shard.condition and f"WHERE {shard.condition}"
    return " ".join(filter(None, (table, index, condition)))


def _why_not(instants: tuple[int, int] | None, zone: str) -> str:
    if instants is None:
        return "the server does not accept such an offset"
    first, last = (datetime.fromtimestamp(moment, UTC).date() for moment in instants)
    return f"from {first} to {last}, the time of the run included, {zone} has several offsets"
