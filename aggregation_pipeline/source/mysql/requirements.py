"""What an entry needs of its server beyond what every server can do; refused before a row is read."""

from collections.abc import Collection, Iterator
from typing import Final

from aggregation_pipeline.config.sql.tokens import tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline.source.mysql.clock_conversions import uses_current_time
from aggregation_pipeline.source.mysql.entry_expressions import expressions_of
from aggregation_pipeline.source.mysql.query import ORDER_KEY, DatasetQuery
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines


def require_capabilities(
    session: Session, entry: TableEntry, columns: Collection[SourceColumn], engines: StorageEngines
) -> None:
    """Refuse an entry that the server would answer with something else than it means.

    Raises:
        SourceError: it needs the logical time or a time zone, and the server takes none.
        SnapshotError: it calls a stored function, which would read another state than the statement.
    """
    can = session.capabilities
    if not can.logical_time and (users := list(_users_of_current_time(entry))):
        raise SourceError(
            f"{'; '.join(users)}: the server takes no `timestamp`, so the current time there would be its own, not the"
            " logical time of the run, and a repeated run would give other rows. Use a partition, or write the date."
        )
    if not can.time_zone and (instants := sorted(column.name for column in columns if column.type == "timestamp")):
        raise SourceError(
            f"{entry.table}: the server does not let a session set its time zone, so the TIMESTAMP columns"
            f" {', '.join(instants)} would be shown in the server's own. Make them DATETIME, or read a view that does."
        )
    functions = sorted({*engines.stored_functions, *map(str, engines.called_by_views)})
    if can.snapshot == "as_of" and functions and entry.consistency == "snapshot":
        raise SnapshotError(
            f"{entry.table}: the stored functions {', '.join(functions)} would not read the state that the statement"
            f" reads ({_SHORT_TRANSACTIONS}). Leave them out, or write `consistency: none` in the table's entry; its"
            " manifest will then say so."
        )


def require_order_key(session: Session, queries: Collection[DatasetQuery]) -> None:
    """Refuse queries that order by a masked column on a server without variables of a session.

    Raises:
        SourceError: one does.
    """
    if not session.capabilities.user_variables and any(ORDER_KEY in query.sql for query in queries):
        raise SourceError(
            f"the server takes no variable {ORDER_KEY}, without which rows ordered by a masked column would reveal its"
            " values. Give order_by columns that are not masked, or write `order: none`."
        )


_SHORT_TRANSACTIONS: Final = "its transactions end before max_snapshot_seconds, so AS OF SNAPSHOT is used"


def _users_of_current_time(entry: TableEntry) -> Iterator[str]:
    return (f"{key}: {sql}" for key, sql in expressions_of(entry) if uses_current_time(tokenize(sql)[0]))
