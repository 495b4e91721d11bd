"""Have queries checked and their columns described by the server, before a row is read.

ONLY_FULL_GROUP_BY is on for that: it refuses an entry that asks for any row's value. MariaDB and MySQL 5.6 hold views
to it too, and know of no column that depends on a key: `SELECT id, name, COUNT(*) ... GROUP BY id` in a view is
refused. That is not the entry's fault. So where a view is refused by itself, the entry is judged with something in its
place that has the same columns and reads nothing, and the mode is off for the view.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pymysql
import sqlglot
from pymysql.constants import FIELD_TYPE
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.errors import SourceLostError
from aggregation_pipeline.source.mysql.errors import to_source_error
from aggregation_pipeline.source.mysql.full_group_by import disable_full_group_by, full_group_by_disabled
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.referenced_tables import table_nodes
from aggregation_pipeline.source.mysql.row_protocol import Field, RowStream
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.storage_engines import relations_of
from aggregation_pipeline.source.mysql.warnings import check_warnings

Fields = tuple[Field, ...]

# A column that is neither grouped nor aggregated; the same without GROUP BY.
_NOT_GROUPED: Final = {1055, 1140}
# A value of each type that expressions tell apart; anything else is a text to them.
_NUMBERS: Final = {
    FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR, FIELD_TYPE.BIT,
    FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL,
}  # fmt: skip
_VALUES: Final = {
    **dict.fromkeys(_NUMBERS, "0"),
    **dict.fromkeys((FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE), "DATE '2000-01-01'"),
    **dict.fromkeys((FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP), "TIMESTAMP '2000-01-01 00:00:00'"),
    FIELD_TYPE.TIME: "TIME '00:00:00'",
}


def probe(session: Session, queries: Sequence[DatasetQuery]) -> list[Fields]:
    """Return the columns of each query as the server names them.

    Where only views offend against ONLY_FULL_GROUP_BY, that is off in the session from then on.

    Raises:
        SourceError: the server refuses a query, or has doubts about a value in it.
    """
    with session.translate_errors():
        judged = [_probe(session, query) for query in queries]
        if any(offending for _, offending in judged):
            disable_full_group_by(session.driver_connection)
    return [fields for fields, _ in judged]


def _probe(session: Session, query: DatasetQuery) -> tuple[Fields, bool]:
    """The columns of a query, and whether a view in it offends."""
    try:
        return _described(session, query.probe_sql, query.dataset), False
    except pymysql.MySQLError as error:
        if error.args[0] not in _NOT_GROUPED or not _views_alone_offend(session, query):
            raise
    with full_group_by_disabled(session.driver_connection):
        return _described(session, query.probe_sql, query.dataset), True


def _described(session: Session, sql: str, dataset: str) -> Fields:
    stream = RowStream(session.driver_connection, sql)
    for _ in stream.blocks():
        pass
    check_warnings(session, stream.warnings, dataset)
    return stream.fields


def _views_alone_offend(session: Session, query: DatasetQuery) -> bool:
    """Whether a view in the query is refused by itself, and the query passes with something harmless in its place."""
    try:
        nodes = table_nodes(sqlglot.parse_one(query.probe_sql, read="mysql"))
    except (SqlglotError, RecursionError):
        return False
    places = [(node, TableName(node.db or None, node.name)) for node in nodes]
    relations = relations_of(session, {name for _, name in places})
    views = [name for name, found in relations.items() if any(each.is_view for each in found)]
    offending = [name for name in views if not _passes(session, _all_of(name))]
    if not offending:
        return False
    with full_group_by_disabled(session.driver_connection):
        columns = {name: _described(session, _all_of(name), query.dataset) for name in offending}
    replaced = [(node, name) for node, name in places if name in columns]
    return _passes(session, _with_stand_ins(query.probe_sql, replaced, columns))


def _passes(session: Session, sql: str) -> bool:
    try:
        for _ in RowStream(session.driver_connection, sql).blocks():
            pass
    except pymysql.MySQLError as error:
        if isinstance(to_source_error(error), SourceLostError):
            raise
        return False
    return True


def _all_of(name: TableName) -> str:
    table = f"{quote(name.database)}.{quote(name.name)}" if name.database else quote(name.name)
    return f"SELECT * FROM {table} LIMIT 0"  # noqa: S608 - a quoted name


def _with_stand_ins(
    sql: str, places: Sequence[tuple[exp.Table, TableName]], columns: Mapping[TableName, Fields]
) -> str:
    """The statement with other text where it names those views; the rest of it stays as it was written."""
    cuts = []
    for node, name in places:
        first = node.args.get("db") or node.this
        alias = "" if node.alias else f" AS {quote(name.name)}"
        cuts.append((first.meta["start"], node.this.meta["end"] + 1, f"{_stand_in(columns[name])}{alias}"))
    for start, end, text in sorted(cuts, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _stand_in(fields: Fields) -> str:
    values = [(_VALUES.get(field.type_code, "''"), quote(field.name)) for field in fields]
    # A UNION is no constant, so servers judge its columns as those of a table.
    named = ", ".join(f"{value} AS {name}" for value, name in values)
    return f"(SELECT {named} UNION ALL SELECT {', '.join(value for value, _ in values)})"
