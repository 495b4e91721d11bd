"""A session made ready for one entry: masked columns are safe, and its clock suits what the entry computes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aggregation_pipeline.source.mysql.masked_views import refuse_unmasked_paths
from aggregation_pipeline.source.mysql.requirements import require_capabilities
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.shard import Shard, find_shards
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines, find_storage_engines
from aggregation_pipeline.source.mysql.time_zone import choose_clock
from aggregation_pipeline.source.request import ReadRequest


@dataclass(frozen=True)
class PreparedSession:
    """A session in the clock of the entry that it reads, and what the server says of the entry's tables.

    Attributes:
        shards: the tables that it reads as one; the source table alone if it is not sharded.
        engines: the storage engines of all tables that the entry reads.
    """

    session: Session
    shards: tuple[Shard, ...]
    engines: StorageEngines

    @property
    def columns(self) -> Mapping[str, SourceColumn]:
        """The columns of the entry's table, by name; of shards, those of the first."""
        return self.shards[0].columns


def prepare_session(session: Session, request: ReadRequest) -> PreparedSession:
    """Look up the tables of an entry, and let the session compute in the clock that suits it.

    Raises:
        SnapshotError: the entry calls stored functions that would read another state.
        SourceError: the server cannot, the partition's column does not suit, shards differ, or a view or function may
            show a masked column.
    """
    entry, partition = request.entry, request.partition
    shards = find_shards(session, entry)
    engines = find_storage_engines(session, entry)
    found_names = (part for relation in engines.relations for part in (relation.database, relation.name) if part)
    session = replace(session, quotable=session.quotable.plus((*shards[0].columns, *found_names)))
    refuse_unmasked_paths(session, entry, shards[0].columns, engines)
    require_capabilities(session, entry, shards[0].columns.values(), engines)
    before = [shard.in_clock(partition, session.clock) for shard in shards]
    session = choose_clock(session, before, request.logical_time, engines)
    return PreparedSession(session, tuple(shard.in_clock(partition, session.clock) for shard in before), engines)
