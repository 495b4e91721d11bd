"""Let the server check queries and describe their columns, before a row is read.

ONLY_FULL_GROUP_BY is on meanwhile, so that an entry which selects any row's value is refused. MariaDB and MySQL 5.6
apply it to views as well, and do not know that a column depends on a key: they refuse `SELECT id, name, COUNT(*) ...
GROUP BY id` in a view. That is not the entry's fault. So if a view is refused by itself, the entry is checked with a
substitute for the view, which has the same columns and reads nothing. The mode is then switched off for the view.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pymysql
import sqlglot
from pymysql.constants import FIELD_TYPE
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import quote, without_hints
from aggregation_pipeline.errors import SourceLostError
from aggregation_pipeline.source.mysql.errors import to_source_error
from aggregation_pipeline.source.mysql.full_group_by import disable_full_group_by, full_group_by_disabled
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.referenced_tables import table_nodes
from aggregation_pipeline.source.mysql.row_protocol import Field, RowStream
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.storage_engines import find_relations
from aggregation_pipeline.source.mysql.warnings import check_warnings

Fields = tuple[Field, ...]

# A column is neither grouped nor aggregated, with and without a GROUP BY.
_NOT_GROUPED: Final = {1055, 1140}
# A value of each type that expressions distinguish; for every other type a text will do.
_NUMBERS: Final = {
    *(FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR),
    *(FIELD_TYPE.BIT, FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL),
}
_VALUES: Final = {
    **dict.fromkeys(_NUMBERS, "0"),
    **dict.fromkeys((FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE), "DATE '2000-01-01'"),
    **dict.fromkeys((FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP), "TIMESTAMP '2000-01-01 00:00:00'"),
    FIELD_TYPE.TIME: "TIME '00:00:00'",
}


def probe(session: Session, queries: Sequence[DatasetQuery]) -> list[Fields]:
    """Return the columns of each query as the server names them.

    If only views break ONLY_FULL_GROUP_BY, it stays off in the session from then on.

    Raises:
        SourceError: the server refuses a query, or warns about a value in it.
    """
    with session.translate_errors():
        probed = [_probe(session, query) for query in queries]
        if any(view_breaks_rule for _, view_breaks_rule in probed):
            disable_full_group_by(session.driver_connection)
    return [fields for fields, _ in probed]


def _probe(session: Session, query: DatasetQuery) -> tuple[Fields, bool]:
    """The columns of a query, and whether a view in it breaks ONLY_FULL_GROUP_BY."""
    try:
        return _describe(session, query.probe_sql, query.dataset), False
    except pymysql.MySQLError as error:
        if error.args[0] not in _NOT_GROUPED or not _only_views_break_rule(session, query):
            raise
    with full_group_by_disabled(session.driver_connection):
        return _describe(session, query.probe_sql, query.dataset), True


def check_hints(session: Session, query: DatasetQuery, warn: Callable[[str], None]) -> None:
    """Let the server say which hints of a query it does not follow; it reads no row for that.

    Args:
        warn: hears of it.
    """
    if query.hints.comment:
        with session.translate_errors():
            _describe(session, query.probe_sql, query.dataset, warn)


def _describe(session: Session, sql: str, dataset: str, warn: Callable[[str], None] = lambda _: None) -> Fields:
    stream = RowStream(session.driver_connection, sql)
    for _ in stream.blocks():
        pass
    check_warnings(session, stream.warnings, dataset, warn)
    return stream.fields


def _only_views_break_rule(session: Session, query: DatasetQuery) -> bool:
    """Whether a view in the query is refused by itself, and the query passes with a substitute for it."""
    try:
        nodes = table_nodes(sqlglot.parse_one(without_hints(query.probe_sql), read="mysql"))
    except (SqlglotError, RecursionError):
        return False
    places = [(node, TableName(node.db or None, node.name)) for node in nodes]
    relations = find_relations(session, {name for _, name in places})
    views = [name for name, found in relations.items() if any(each.is_view for each in found)]
    refused = [name for name in views if not _passes(session, _all_of(name))]
    if not refused:
        return False
    with full_group_by_disabled(session.driver_connection):
        columns = {name: _describe(session, _all_of(name), query.dataset) for name in refused}
    replaced = [(node, name) for node, name in places if name in columns]
    return _passes(session, _with_substitutes(query.probe_sql, replaced, columns))


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
    return f"SELECT * FROM {table} LIMIT 0"


def _with_substitutes(
    sql: str, places: Sequence[tuple[exp.Table, TableName]], columns: Mapping[TableName, Fields]
) -> str:
    """The statement with subqueries in the place of those views; the rest of it stays as it was written."""
    cuts = []
    for node, name in places:
        first = node.args.get("db") or node.this
        alias = "" if node.alias else f" AS {quote(name.name)}"
        cuts.append((first.meta["start"], node.this.meta["end"] + 1, f"{_substitute(columns[name])}{alias}"))
    for start, end, text in sorted(cuts, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _substitute(fields: Fields) -> str:
    values = [(_VALUES.get(field.type_code, "''"), quote(field.name)) for field in fields]
    # Servers treat the columns of a UNION as those of a table, not as constants.
    named = ", ".join(f"{value} AS {name}" for value, name in values)
    return f"(SELECT {named} UNION ALL SELECT {', '.join(value for value, _ in values)})"
