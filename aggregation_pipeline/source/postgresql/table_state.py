"""The state of a source table, from what the server knows without reading its rows: cheap for a table of any size.

When a row was written last PostgreSQL does not know.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.masked_columns import masked_columns_of
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.partition import TIME_TYPES
from aggregation_pipeline.source.postgresql.savepoint import savepoint
from aggregation_pipeline.source.postgresql.session import Session, open_session, regclass
from aggregation_pipeline.source.table_state import StateQuestion, TableState

# A state that takes longer is not worth the load.
_LIMITS: Final = SourceLimits(timeout_seconds=5, lock_wait_seconds=5, max_snapshot_seconds=60)
# A partitioned table has what its parts have. Rows are those of the last ANALYZE, else what was counted while written.
_SIZE: Final = """
    WITH RECURSIVE part(oid) AS (
        SELECT {table}::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits AS i ON i.inhparent = part.oid
    )
    SELECT sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint ELSE pg_stat_get_live_tuples(c.oid) END)::bigint,
           sum(pg_total_relation_size(c.oid))::bigint
    FROM part JOIN pg_class AS c ON c.oid = part.oid WHERE c.relkind IN ('r', 'm')
"""
# Of indexes whose ends can be looked up.
_LEADING: Final = """
    SELECT a.attname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_am AS m ON m.oid = c.relam JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = {table} AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""


def table_states(
    options: SourceOptions, zone: ZoneInfo, questions: Sequence[StateQuestion]
) -> Iterator[TableState | SourceError]:
    """Yield the state of each table in turn, or why it cannot be told. All are read through one connection.

    Raises:
        SourceLostError: no connection.
    """
    with open_session(options, zone=zone, limits=_LIMITS) as session:
        for asked in questions:
            try:
                with savepoint(session):
                    state = _state(session, asked)
            except SourceLostError:
                raise
            except SourceError as error:
                yield error
            else:
                yield state


def _state(session: Session, asked: StateQuestion) -> TableState:
    table = asked.table
    (known,) = session.link.row(f"SELECT {regclass(table)} IS NOT NULL")
    if not known:
        raise SourceError(f"there is no table {table}: check the entry's `table`, DB_NAME and the schema")
    rows, size = session.link.row(_SIZE.format(table=regclass(table)))
    newest, moments = {}, []
    for name, zone in _readable(session, asked).items():
        text, moment = _newest(session, table, name, zone)
        if text:
            newest[name] = text
            moments += [moment] if moment else []
    return TableState(rows or None, size or None, None, newest, max(moments, default=None))


def _readable(session: Session, asked: StateQuestion) -> Mapping[str, tzinfo]:
    """The columns whose newest value may be shown, and can be looked up at the end of an index."""
    if not asked.columns:
        return {}
    hidden = masked_columns_of(asked.table, asked.masked)
    columns = session.columns(asked.table)
    leading = {name for (name,) in session.link.rows(_LEADING.format(table=regclass(asked.table)))}
    return {
        name: zone
        for name, zone in asked.columns.items()
        if name in leading and columns[name].type in TIME_TYPES and comparable_name(name) not in hidden
        # What the server computes may come from a masked column.
        if not (hidden and columns[name].generated)
    }


def _newest(session: Session, table: TableName, name: str, zone: tzinfo) -> tuple[str | None, datetime | None]:
    column, kind = POSTGRESQL.quote(name), session.columns(table)[name].type
    text, seconds = session.link.row(
        f"SELECT max({column})::text, extract(epoch FROM max({column}))::float8 FROM {POSTGRESQL.quoted(*table)}"
        f" WHERE isfinite({column})"
    )
    if text is None:
        return None, None
    try:
        moment = (
            datetime.fromtimestamp(seconds, UTC)
            if kind == "timestamptz"
            else datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
        )
    except (ValueError, OverflowError, OSError):  # a year that datetime does not have
        moment = None
    return text, moment
