"""Two sources that are one database: see `source/one_server.py`."""

from collections.abc import Iterator, Sequence
from typing import Final

from aggregation_pipeline.config.mask_rules import exposures
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline.source.kind import OtherSource
from aggregation_pipeline.source.one_server import MaskedByFullName, by_full_name, full_name, one_server, shown_in_words
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.kind import SCHEMA
from aggregation_pipeline.source.postgresql.relations import find_relations
from aggregation_pipeline.source.postgresql.savepoint import savepoint
from aggregation_pipeline.source.postgresql.session import Session, open_session

# The first is made with the server's files, and its replicas have it too.
_IDENTITY: Final = "SELECT system_identifier::text, current_database()::text FROM pg_control_system()"


def warn_of_other_names(
    session: Session, options: SourceOptions, entries: Sequence[TableEntry], others: Sequence[OtherSource]
) -> Iterator[Finding]:
    """Yield a warning if entries of this source show what an entry masks in another, which is the same database.

    Nothing is said where that cannot be told: the other does not answer, or a server does not say which it is.
    """
    own = [entry for entry in entries if entry.issues is None]
    found = []
    for other in others if own else ():
        try:
            if other.masked and _are_one(session, other.options):
                found.append((other, _shown(session, own, by_full_name(other.masked, SCHEMA))))
        except PipelineError:
            continue
    yield from one_server(options, found)


def _are_one(session: Session, there: SourceOptions) -> bool:
    with savepoint(session):
        identity = session.link.row(_IDENTITY)
    with open_session(there, zone=session.zone) as other:
        return other.link.row(_IDENTITY) == identity


def _shown(session: Session, entries: Sequence[TableEntry], masked: MaskedByFullName) -> list[str]:
    """What the entries show, or may show, of masked columns. A view over such a table may show any of them."""
    found = []
    for entry in entries:
        try:
            with savepoint(session):
                relations = find_relations(session, entry)
        except SourceLostError:
            raise
        except SourceError:
            # The line of its table says what is wrong.
            continue
        for each in relations.all:
            columns = masked.get(full_name(each.name, SCHEMA), {})
            if columns and (each.is_behind or any(exposures(entry.query, {each.name: columns}))):
                found.append(shown_in_words(entry.name, each.name, columns))
    return found
