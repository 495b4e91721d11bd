"""Two sources that are one server: masks of the one say nothing of the other's tables, which are the same."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from aggregation_pipeline.config.mask_rules import exposures
from aggregation_pipeline.config.masked_columns import MaskedColumn, MaskedColumns
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.source.findings import Finding, warning
from aggregation_pipeline.source.kind import OtherSource, called
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.storage_engines import find_storage_engines
from aggregation_pipeline.source.options import SourceOptions

# An id may have been copied with the files of a server; with the rest no two servers say the same.
_IDS: Final = ("server_uuid", "server_uid")
_PLACE: Final = ("hostname", "port", "datadir")
_SAID: Final = (*_IDS, *_PLACE, "server_id", "socket", "pid_file")
_QUESTION: Final = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(map(repr, _SAID))})"
_MOST_SHOWN: Final = 4

MaskedByFullName = Mapping[tuple[str, str], Mapping[str, MaskedColumn]]


def warn_of_other_names(
    session: Session, options: SourceOptions, entries: Sequence[TableEntry], others: Sequence[OtherSource]
) -> Iterator[Finding]:
    """Yield a warning if entries of this source show what an entry masks in another, which is the same server.

    Nothing is said where that cannot be told: the other does not answer, or a server does not say which it is.
    """
    own = [entry for entry in entries if entry.issues is None]
    found = []
    for other in others if own else ():
        there = other.options
        if not other.masked:
            continue
        try:
            same = there.where == options.where or _are_one(session, there)
        except PipelineError:
            continue
        if same and (shown := _shown(session, own, _by_full_name(other.masked, there.database), options.database)):
            listed = some_of(shown, _MOST_SHOWN, separator="; ")
            found.append(f"{other.title}, at {there.where}, is the same server, and {listed}")
    if found:
        yield warning(
            "masks",
            f"this is {called(options.name)}, at {options.where}. {'. '.join(found)}",
            "Masks hold within one source: mask the columns in entries of both, or use one source",
        )


def _are_one(session: Session, there: SourceOptions) -> bool:
    """Whether a session's server is the one that another source leads to, by what both say of themselves."""
    said = _said_by(session)
    if not said:
        return False
    zone = session.clock.zone
    with open_session(there, logical_time=datetime.now(UTC), zone=zone, require_snapshot=False) as other:
        return _said_by(other) == said


def _said_by(session: Session) -> Mapping[str, str]:
    """What a server says of itself; nothing if that does not tell it from others."""
    try:
        _, rows = session.rows(_QUESTION)
    except SourceLostError:
        raise
    except SourceError:
        return {}
    said = {str(name).casefold(): str(value) for name, value, *_ in rows if value}
    return said if any(name in said for name in _IDS) or all(name in said for name in _PLACE) else {}


def _by_full_name(masked: MaskedColumns, database: str) -> MaskedByFullName:
    """The masked columns by the comparable names of database and table."""
    found: dict[tuple[str, str], dict[str, MaskedColumn]] = {}
    for table, columns in masked.items():
        full_name = _full_name(table, database)
        found[full_name] = found.get(full_name, {}) | dict(columns)
    return found


def _full_name(table: TableName, database: str) -> tuple[str, str]:
    return comparable_name(table.database or database), comparable_name(table.name)


def _shown(session: Session, entries: Sequence[TableEntry], masked: MaskedByFullName, database: str) -> list[str]:
    """What the entries show, or may show, of masked columns. A view over such a table may show any of them."""
    found = []
    for entry in entries:
        engines = find_storage_engines(session, entry)
        for table in sorted(engines.relations, key=str):
            columns = masked.get(_full_name(table, database), {})
            if columns and (table in engines.behind_views or any(exposures(entry.query, {table: columns}))):
                first, names = next(iter(columns.values())), ", ".join(each.column for each in columns.values())
                found.append(f"{entry.name} reads {table}, of which the entry {first.entry} masks {names}")
    return found
