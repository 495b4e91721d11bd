"""The state of a source table, from what the server knows without reading its rows: cheap for a table of any size."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.masked_columns import NOTHING_MASKED, MaskedColumns, masked_columns_of
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.errors import translate_errors
from aggregation_pipeline.source.mysql.masked_views import columns_computed_from
from aggregation_pipeline.source.mysql.partition_condition import TIME_TYPES
from aggregation_pipeline.source.mysql.session import Session, open_session, rows_by_column
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.table_state import StateQuestion, TableState

# A state that takes longer is not worth the load.
LIMITS: Final = SourceLimits(timeout_seconds=5, lock_wait_seconds=5, max_snapshot_seconds=60)


@contextlib.contextmanager
def open_state_session(options: SourceOptions, zone: ZoneInfo) -> Iterator[Session]:
    """Open a session for `read_table_state`, in which no statement takes longer than a few seconds.

    Raises:
        SourceLostError: no connection.
    """
    with open_session(
        options, logical_time=datetime.now(UTC), zone=zone, limits=LIMITS, require_snapshot=False
    ) as session:
        yield session


def table_states(
    options: SourceOptions, zone: ZoneInfo, questions: Sequence[StateQuestion]
) -> Iterator[TableState | SourceError]:
    """Yield the state of each table in turn, or why it cannot be told. All are read through one connection.

    Raises:
        SourceLostError: no connection.
    """
    with open_state_session(options, zone) as session:
        for asked in questions:
            try:
                yield read_table_state(session, asked.table, asked.columns, asked.masked)
            except SourceLostError:
                raise
            except SourceError as error:
                yield error


def read_table_state(
    session: Session, table: TableName, columns: Mapping[str, tzinfo], masked: MaskedColumns = NOTHING_MASKED
) -> TableState:
    """Return the state of a table.

    Args:
        session: on the table's server.
        table: its name.
        columns: the columns of time whose newest values are wanted, each with the zone of its values. A column that no
            index begins with is left out, since the server would have to read every row; so is a masked one, and one
            that the server computes from a masked one.
        masked: the columns that the config masks.

    Raises:
        SourceError: there is no such table.
    """
    status = _status(session, table)
    known = session.columns(*table) if columns else {}
    kinds = {column.name.casefold(): column.type for column in known.values()}
    hidden = masked_columns_of(table, masked)
    hidden |= dict(columns_computed_from(hidden, known))
    leading = _leading(session, table) if kinds else frozenset()
    newest, moments = {}, []
    for name, zone in columns.items():
        kind = kinds.get(name.casefold())
        if kind in TIME_TYPES and name.casefold() in leading and comparable_name(name) not in hidden:
            text, moment = _newest(session, table, name, kind, zone)
            if text is not None:
                newest[name] = text
                moments += [moment] if moment else []
    size = [int(status[part]) for part in ("data_length", "index_length") if status.get(part)]
    # Some servers say 0 until they have counted.
    return TableState(
        int(status["rows"] or 0) or None,
        sum(size) or None,
        _changed(session, status),
        newest,
        max(moments, default=None),
    )


def _status(session: Session, table: TableName) -> Mapping[str, Any]:
    # MySQL 8 caches these numbers for a day by default.
    with contextlib.suppress(SourceError), translate_errors():
        session.connection.exec_driver_sql("SET SESSION information_schema_stats_expiry = 0")
    place = f" FROM {quote(table.database)}".replace("%", "%%") if table.database else ""
    pattern = re.sub(r"([\\\\%_])", r"\\\1", table.name)
    with translate_errors():
        result = session.connection.exec_driver_sql(f"SHOW TABLE STATUS{place} LIKE %s", (pattern,))
        found = rows_by_column(result)
    if not found:
        raise SourceError(
            f"there is no table {table}, or DB_USER may not see it: check the entry's `table`, DB_NAME and the grants"
        )
    return next((row for row in found if row["name"] == table.name), found[0])


def _leading(session: Session, table: TableName) -> frozenset[str]:
    """The first columns, in lower case, of indexes whose ends can be looked up."""
    names, rows = session.rows(f"SHOW INDEX FROM {table.sql}")
    indexes = [dict(zip((name.lower() for name in names), row, strict=True)) for row in rows]
    return frozenset(
        str(index["column_name"]).casefold()
        for index in indexes
        if index["seq_in_index"] == "1" and index["index_type"] == "BTREE"
    )


def _changed(session: Session, status: Mapping[str, Any]) -> datetime | None:
    moment, offset = status.get("update_time"), session.clock.offset_seconds
    # In OceanBase it is the time of the last change of the table's definition.
    if not isinstance(moment, datetime) or offset is None or session.capabilities.knows_limit("ob_query_timeout"):
        return None
    return moment.replace(tzinfo=timezone(timedelta(seconds=offset))).astimezone(UTC)


def _newest(
    session: Session, table: TableName, name: str, kind: str, zone: tzinfo
) -> tuple[str | None, datetime | None]:
    # The server looks up the end of the index, because the query has no condition.
    greatest = f"MAX({quote(name)})"
    (row,) = session.rows(f"SELECT {greatest}, UNIX_TIMESTAMP({greatest}) FROM {table.sql}")[1]
    text, seconds = row
    if text is None or kind == "timestamp":
        return text, _instant(seconds)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):  # 0000-00-00
        moment = None
    return text, moment


def _instant(seconds: str | None) -> datetime | None:
    return None if seconds is None or not float(seconds) else datetime.fromtimestamp(float(seconds), UTC)
