"""Which clock a session computes in: decided for each entry, by what the entry asks and what the server knows.

1. Nothing in the entry turns instants into clock readings: the session keeps the offset of the logical time. TIMESTAMP
values are exact
   in it, on every server, with or without time zone tables.
2. The entry does, and the server knows the zone by its name as Python's tzdata knows it: the session takes the zone by
its name.
3. It does, the server does not, and the zone has one offset for all instants that the entry touches: the session takes
that offset.
4. Otherwise the table is refused, with the remedy. What happens inside a view cannot be seen: there a note goes into
the manifest.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.clock_conversions import ClockConversions, Columns, find_clock_conversions
from aggregation_pipeline.source.mysql.full_group_by import full_group_by_disabled
from aggregation_pipeline.source.mysql.referenced_tables import references_of_entry
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines
from aggregation_pipeline.timezones.wall_clock import format_offset, offsets_of, utc_offset

log = logging.getLogger(__name__)

# What FROM_UNIXTIME takes on every server.
_LAST_COMPARED: Final = 2**31 - 1
# Compared besides: a server may change its clock where tzdata does not, as tables from before summer time was given up
# do. No change of a clock has ever lasted less than this.
_STEP: Final = 6 * 86_400
# Outputs of one statement; MySQL takes 4,096.
_ASKED: Final = 1000
# Servers, each with a zone that it knows as tzdata does. One that does not may be mended at any time, and is asked
# again.
_trusted: Final[set[tuple[str, str]]] = set()


def choose_clock(
    session: Session,
    entry: TableEntry,
    moment: datetime,
    columns: Sequence[SourceColumn],
    condition: str | None,
    engines: StorageEngines,
) -> Session:
    """Return the session with the clock that suits the entry; the snapshot stays.

    Args:
        session: open, with the offset of the logical time, or UTC where servers take no such offset.
        entry: as the config gives it.
        moment: the logical time.
        columns: of the entry's table.
        condition: of the partition, for the session as it is; None for the whole table.
        engines: what is known of the tables.

    Raises:
        SourceError: the entry turns instants into clock readings, and the server cannot do that right.
    """
    zone, offset = session.clock.zone, session.clock.offset_seconds
    shifted = utc_offset(zone, moment) != offset
    if len(offsets_of(zone).starts) == 1 and not shifted:
        return session
    turning = _turning(session, entry, columns, engines)
    if not turning and not shifted:
        return session
    wrong = _server_differs(session)
    if not wrong:
        session.set_time_zone(session.clock.zone.key)
        return replace(session, clock=replace(session.clock, offset_seconds=None))
    return _with_one_offset(session, entry, turning, moment, condition, wrong)


def _turning(
    session: Session, entry: TableEntry, columns: Sequence[SourceColumn], engines: StorageEngines
) -> ClockConversions:
    others = references_of_entry(entry).tables - {entry.source}
    known = {table: _columns(table, session.columns(*table).values(), engines) for table in others}
    return find_clock_conversions(entry, _columns(entry.source, columns, engines), known, engines.stored_functions)


def _columns(table: TableName, columns: Collection[SourceColumn], engines: StorageEngines) -> Columns:
    # Of a system-versioned table information_schema does not list the columns of its periods.
    periods = {"row_start", "row_end"} if table in engines.versioned else set()
    return Columns(
        table.sql,
        frozenset(column.name.lower() for column in columns if column.type == "timestamp") | periods,
        {column.name.lower(): column.virtual for column in columns if column.virtual},
        table in engines.views,
    )


def _server_differs(session: Session) -> str:
    """Say how the server's idea of the zone differs from tzdata's; empty where it does not."""
    place = (session.identity, session.clock.zone.key)
    if place in _trusted:
        return ""
    wrong = _compare(session)
    if wrong:
        log.info("%s at %s", wrong, session.identity)
    else:
        _trusted.add(place)
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
    moments = [*range(_STEP, _LAST_COMPARED, _STEP), *(moment for change in changes for moment in (change - 1, change))]
    try:
        shown = [
            text
            for group in _groups(moments, _ASKED)
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
    session: Session, entry: TableEntry, turning: ClockConversions, moment: datetime, condition: str | None, wrong: str
) -> Session:
    zone = session.clock.zone
    present = utc_offset(zone, moment)
    touched = _touched(session, entry, turning, condition)
    offset = present if touched is None else offsets_of(zone).constant_between(*touched)
    if not turning and not turning.present and not _takes(session, present):
        # Instants are exact at any offset.
        return session
    if turning.unknown or offset is None or (turning.present and offset != present) or not _takes(session, offset):
        why = "; ".join(dict.fromkeys(turning.unknown)) or _several(touched, zone.key)
        what = turning.where[0] if turning.where else "the time of the run (NOW() and the like)"
        raise SourceError(
            f"{what} asks for clock readings of {zone.key}, whose clock changes with the season, and {wrong}. A fixed"
            f" offset would be wrong for some of them: {why}. {_load_tables(session)}, leave out the expression, or set"
            " the table's timezone to one without summer time."
        )
    note = ""
    if turning.views:
        note = (
            f"what the view {' or '.join(turning.views)} makes of instants is shown by a clock that stands at"
            f" UTC{format_offset(offset)} all year round: {wrong}. {_load_tables(session)}"
        )
    return replace(session, clock=Clock(zone, offset, note))


def _load_tables(session: Session) -> str:
    """The remedy on the side of the server."""
    tool = "mariadb-tzinfo-to-sql" if "mariadb" in session.server.casefold() else "mysql_tzinfo_to_sql"
    return (
        f"Load the server's time zone tables ({tool} /usr/share/zoneinfo, fed to its database mysql; or ask whoever"
        " runs it)"
    )


def _takes(session: Session, offset: int) -> bool:
    """Set the session's offset; False where the server takes none so large."""
    if offset == session.clock.offset_seconds:
        return True
    try:
        session.set_time_zone(format_offset(offset))
    except SourceLostError:
        raise
    except SourceError:
        return False
    return True


def _touched(
    session: Session, entry: TableEntry, turning: ClockConversions, condition: str | None
) -> tuple[int, int] | None:
    """The first and the last instant that the entry turns, in seconds; None where there is none, or not all are
    known.
    """
    if turning.unknown:
        return None
    found: list[int] = []
    for table, instants in turning.ranges.items():
        asked = ", ".join(f"MIN({one}), MAX({one})" for one in instants)
        rows = f"{table} WHERE {condition}" if condition and table == entry.source.sql else table
        with full_group_by_disabled(session.driver_connection):
            row = session.row(f"SELECT {asked} FROM {rows}")  # noqa: S608 - checked expressions and quoted names
        found += [int(float(value)) for value in row if value is not None]
    return (min(found), max(found)) if found else None


def _several(touched: tuple[int, int] | None, zone: str) -> str:
    if touched is None:
        return "the server takes no such offset"
    first, last = (datetime.fromtimestamp(moment, UTC).date() for moment in touched)
    return f"from {first} to {last}, the time of the run included, {zone} has several offsets"
