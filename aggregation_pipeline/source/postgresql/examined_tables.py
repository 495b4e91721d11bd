"""What `check` finds of the table of an entry: whether it is there, can be read, shows all rows, and has an index."""

from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.findings import Finding, failure, ok, warning
from aggregation_pipeline.source.postgresql.kind import SCHEMA
from aggregation_pipeline.source.postgresql.session import Session

# Columns that a finding names.
_SHOWN: Final = 8
_TABLE: Final = """
    SELECT c.oid::bigint, c.relkind::text, has_schema_privilege(c.relnamespace, 'USAGE'),
           has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {name} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS: Final = """
    SELECT attname::text, has_column_privilege(attrelid, attnum, 'SELECT') FROM pg_attribute
    WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# Those that find the rows of a window.
_LEADING: Final = """
    SELECT 1 FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = {oid} AND i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'brin')
    AND a.attname = {column} LIMIT 1
"""


def examine_table(session: Session, entry: TableEntry) -> Finding:
    """Return what is found of an entry's table.

    Raises:
        SourceError: the server refuses to tell.
    """
    table, where, link = entry.source_table, f"tables.{entry.name}", session.link
    schema = table.database or SCHEMA
    asked = _TABLE.format(schema=POSTGRESQL.literal("text", schema), name=POSTGRESQL.literal("text", table.name))
    found = link.rows(asked)
    if not found:
        return failure(where, f"there is no table {entry.table} in the schema {schema}", "Correct the name")
    ((oid, kind, schema_open, readable, filtered),) = found
    columns = link.rows(_COLUMNS.format(oid=oid))
    closed = [name for name, open_ in columns if not open_]
    if not schema_open or len(closed) == len(columns) > 0 or not (columns or readable):
        return _unreadable(entry, schema, schema_open=schema_open)
    names = [name for name, _ in columns]
    partition = entry.partition
    if partition is not None and partition.column not in names:
        hint = did_you_mean(partition.column, names)
        return failure(where, f"{entry.table} has no column {partition.column}.{hint}", "Correct partition.column")
    problems, remedies = list[str](), list[str]()
    if closed:
        problems.append(f"the account may not read {some_of(closed, _SHOWN)} of {entry.table}; reading them fails")
        remedies.append(f"GRANT SELECT ON {POSTGRESQL.quoted(*_full(table))} to it, or leave the columns out")
    if filtered:
        problems.append(f"row level security may hide rows of {entry.table} from this account, without a word")
        remedies.append("Let it see all rows: ALTER ROLE ... BYPASSRLS, or a policy USING (true); or read what it sees")
    indexed = partition is not None and kind in "rpm" and bool(link.rows(_index_on(oid, partition.column)))
    if partition is not None and kind in "rpm" and not indexed:
        problems.append(f"no index of {entry.table} begins with {partition.column}: each window reads the whole table")
        remedies.append(f"CREATE INDEX ON {POSTGRESQL.quoted(*table)} ({POSTGRESQL.quote(partition.column)})")
    if problems:
        return warning(where, "; ".join(problems), "; ".join(remedies))
    return ok(
        where, f"{entry.table} can be read{_besides(kind, names, partition.column if indexed and partition else '')}"
    )


def _full(table: TableName) -> TableName:
    return TableName(table.database or SCHEMA, table.name)


def _unreadable(entry: TableEntry, schema: str, *, schema_open: bool) -> Finding:
    table = POSTGRESQL.quoted(*_full(entry.source_table))
    what = f"SELECT ON {table}" if schema_open else f"USAGE ON SCHEMA {POSTGRESQL.quote(schema)}"
    place = entry.table if schema_open else f"the schema {schema}"
    return failure(f"tables.{entry.name}", f"the account may not read {place}", f"GRANT {what} TO the account")


def _index_on(oid: int, column: str) -> str:
    return _LEADING.format(oid=oid, column=POSTGRESQL.literal("text", column))


def _besides(kind: str, columns: Sequence[str], indexed: str) -> str:
    """What is said of a table besides that it can be read."""
    if kind == "v":
        return "; it is a view, so its tables' indexes count"
    if kind == "f":
        return "; it is a foreign table, whose rows another server gives as of another moment"
    return f", and an index begins with {indexed}" if indexed else f": {len(columns)} columns"
