"""A session made ready for one entry: masked columns are safe, and its clock suits what the entry computes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aggregation_pipeline.source.mysql.masked_views import refuse_unmasked_paths
from aggregation_pipeline.source.mysql.partition_condition import partition_condition
from aggregation_pipeline.source.mysql.requirements import require_capabilities
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines, find_storage_engines
from aggregation_pipeline.source.mysql.time_zone import choose_clock
from aggregation_pipeline.source.request import ReadRequest


@dataclass(frozen=True)
class PreparedSession:
    """A session in the clock of the entry that it reads, and what the server says of the entry's tables.

    Attributes:
        columns: of the entry's table, by name.
        condition: that a row belongs to the partition; None for the whole table.
        engines: the storage engines of all tables that the entry reads.
    """

    session: Session
    columns: Mapping[str, SourceColumn]
    condition: str | None
    engines: StorageEngines


def prepare_session(session: Session, request: ReadRequest) -> PreparedSession:
    """Look up the tables of an entry, and let the session compute in the clock that suits it.

    Raises:
        SnapshotError: the entry calls stored functions that would read another state.
        SourceError: the server cannot, the partition's column does not suit, or a view or function may show a masked
            column.
    """
    entry, partition = request.entry, request.partition
    columns = session.columns(*entry.source_table)
    engines = find_storage_engines(session, entry)
    found_names = (part for relation in engines.relations for part in (relation.database, relation.name) if part)
    session = replace(session, quotable=session.quotable.plus((*columns, *found_names)))
    refuse_unmasked_paths(session, entry, columns, engines)
    require_capabilities(session, entry, columns.values(), engines)
    condition = partition_condition(entry, partition, columns, session.clock)
    session = choose_clock(session, entry, request.logical_time, list(columns.values()), condition, engines)
    condition = partition_condition(entry, partition, columns, session.clock)
    return PreparedSession(session, columns, condition, engines)
