"""What the columns of a table are to `init`: kinds, through domains down to the type that values have."""

from collections.abc import Mapping
from typing import Final

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.source.catalogue import CatalogueColumn, ColumnKind
from aggregation_pipeline.source.postgresql.link import Row
from aggregation_pipeline.source.postgresql.session import Session, regclass

# Short texts are `text` here as often as `varchar(20)`: how long values are does not follow from the type.
_KINDS: Final[Mapping[str, ColumnKind]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), ColumnKind.SHORT_TEXT),
    **dict.fromkeys(("json", "jsonb", "xml", "hstore", "tsvector"), ColumnKind.LONG_TEXT),
    **dict.fromkeys(("inet", "cidr"), ColumnKind.ADDRESS),
    "bool": ColumnKind.BOOLEAN,
    "int2": ColumnKind.SMALL_INTEGER,
    "int4": ColumnKind.INTEGER,
    "int8": ColumnKind.BIG_INTEGER,
    "numeric": ColumnKind.DECIMAL,
    "float4": ColumnKind.FLOAT,
    "float8": ColumnKind.DOUBLE,
    "date": ColumnKind.DATE,
    "timestamp": ColumnKind.DATETIME,
    "timestamptz": ColumnKind.INSTANT,
    "bytea": ColumnKind.BYTES,
}
_FRACTIONS: Final = frozenset((ColumnKind.DECIMAL, ColumnKind.FLOAT, ColumnKind.DOUBLE))
_WITH_LENGTH: Final = ("varchar", "bpchar")
# What a type modifier counts besides a length, or besides precision and scale.
_HEADER: Final = 4
_COLUMNS: Final = """
    SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), b.typname::text, b.typtype = 'e', base.typmod,
           col_description(a.attrelid, a.attnum), a.attnotnull, b.typcategory = 'A'
    FROM pg_attribute AS a
    CROSS JOIN LATERAL (
        WITH RECURSIVE step(oid, typmod) AS (
            SELECT a.atttypid, a.atttypmod
            UNION ALL SELECT t.typbasetype, t.typtypmod FROM step JOIN pg_type AS t ON t.oid = step.oid
            WHERE t.typtype = 'd'
        ) SELECT step.* FROM step JOIN pg_type AS t ON t.oid = step.oid WHERE t.typtype <> 'd'
    ) AS base JOIN pg_type AS b ON b.oid = base.oid
    WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') ORDER BY a.attnum
"""


def read_columns(session: Session, table: TableName) -> Mapping[str, CatalogueColumn]:
    """Return the columns that the account can read, by name in their order."""
    return {row[0]: _column(row) for row in session.link.rows(_COLUMNS.format(table=regclass(table)))}


def _column(row: Row) -> CatalogueColumn:
    name, written, base, is_enum, typmod, comment, not_null, is_array = row
    kind = ColumnKind.ENUM if is_enum else ColumnKind.LONG_TEXT if is_array else _KINDS.get(base, ColumnKind.OTHER)
    whole = base == "numeric" and typmod >= _HEADER and not (typmod - _HEADER) & 0x7FF
    return CatalogueColumn(
        name,
        kind,
        type=written,
        comment=comment or "",
        nullable=not not_null,
        max_length=max(0, typmod - _HEADER) if base in _WITH_LENGTH else 0,
        has_fraction=kind in _FRACTIONS and not whole,
        definition=written,
    )
