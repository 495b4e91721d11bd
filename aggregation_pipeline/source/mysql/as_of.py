"""Let a statement read the state with a number: `FROM t` becomes `FROM t AS OF SNAPSHOT n`.

seekdb and OceanBase take it after each table, and after a view it holds for all that the view reads.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import sqlglot
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.sql.tokens import without_hints
from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline.source.mysql.capabilities import Capabilities
from aggregation_pipeline.source.mysql.referenced_tables import table_nodes

# The table was emptied or made anew after the state; OceanBase keeps no rows so old; seekdb neither.
_STATE_IS_GONE: Final = (1412, 4138, 4344)


def as_of(sql: str, scn: int | None) -> str:
    """Return the statement with every table of it as of a state; as it is if there is no number.

    Raises:
        SnapshotError: the statement cannot be parsed, so not all of its tables are known; or it has an index hint.
    """
    if scn is None:
        return sql
    try:
        nodes = table_nodes(sqlglot.parse_one(without_hints(sql), read="mysql"))
    except (SqlglotError, RecursionError):
        raise SnapshotError(
            "an expression of the entry cannot be followed, so its tables cannot be read AS OF SNAPSHOT, which the"
            " server's short transactions ask for (ob_trx_timeout). Simplify it, or write `consistency: none`."
        ) from None
    if any(node.args.get("hints") for node in nodes):
        raise SnapshotError(
            "the server takes no index hint (USE INDEX, FORCE INDEX, IGNORE INDEX) beside AS OF SNAPSHOT, which its"
            " short transactions ask for (ob_trx_timeout). Write the hint as a comment, /*+ INDEX(table index) */."
        )
    for end in sorted((node.this.meta["end"] + 1 for node in nodes), reverse=True):
        sql = f"{sql[:end]} AS OF SNAPSHOT {scn}{sql[end:]}"
    return sql


@contextlib.contextmanager
def state_is_kept(capabilities: Capabilities) -> Iterator[None]:
    """Say what it means if the server no longer has the state that is read.

    Raises:
        SnapshotError: it has not.
    """
    try:
        yield
    except SourceError as error:
        if capabilities.snapshot != "as_of" or error.code not in _STATE_IS_GONE:
            raise
        raise SnapshotError(
            f"the state that the statements read (AS OF SNAPSHOT {capabilities.scn}) is gone (error {error.code}): it"
            " is kept for undo_retention seconds, and not over a TRUNCATE. Nothing was published. Run it again; if"
            " reading takes that long, raise undo_retention, or let DB_USER raise ob_trx_timeout to"
            " max_snapshot_seconds."
        ) from error
