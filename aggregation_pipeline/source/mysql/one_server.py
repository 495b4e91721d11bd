"""Two sources that are one server: see `source/one_server.py`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from aggregation_pipeline.config.mask_rules import exposures
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline.source.kind import OtherSource
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.storage_engines import find_storage_engines
from aggregation_pipeline.source.one_server import MaskedByFullName, by_full_name, full_name, one_server, shown_in_words
from aggregation_pipeline.source.options import SourceOptions

# An id may have been copied with the files of a server; with the rest no two servers say the same.
_IDS: Final = ("server_uuid", "server_uid")
_PLACE: Final = ("hostname", "port", "datadir")
_SAID: Final = (*_IDS, *_PLACE, "server_id", "socket", "pid_file")
_QUESTION: Final = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(map(repr, _SAID))})"


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
        if same:
            found.append((other, _shown(session, own, by_full_name(other.masked, there.database), options.database)))
    yield from one_server(options, found)


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


def _shown(session: Session, entries: Sequence[TableEntry], masked: MaskedByFullName, database: str) -> list[str]:
    """What the entries show, or may show, of masked columns. A view over such a table may show any of them."""
    found = []
    for entry in entries:
        engines = find_storage_engines(session, entry)
        for table in sorted(engines.relations, key=str):
            columns = masked.get(full_name(table, database), {})
            if columns and (table in engines.behind_views or any(exposures(entry.query, {table: columns}))):
                found.append(shown_in_words(entry.name, table, columns))
    return found
