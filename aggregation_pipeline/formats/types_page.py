"""The tables in docs/types.md: what becomes of every type of MySQL and of PostgreSQL in each format.

    python -m aggregation_pipeline.formats.types_page docs/types.md

Each line is a value that went through the column functions of the formats, so the tables always say what they do. The
text around them is written in the page itself.
"""

import html
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from aggregation_pipeline.config.options import CsvOptions, JsonOptions, ParquetOptions
from aggregation_pipeline.formats.common.column_text import plain_text
from aggregation_pipeline.formats.common.rows import Piece, rows_as_bytes
from aggregation_pipeline.formats.csv_file import csv_column
from aggregation_pipeline.formats.excel.cell_kinds import TEXT, kind_by_type, test_for_changes
from aggregation_pipeline.formats.excel.rows import CellStyle, row_pieces
from aggregation_pipeline.formats.json_file import json_column, test_for_strings
from aggregation_pipeline.formats.parquet_file import portable_type

_SHANGHAI = ZoneInfo("Asia/Shanghai")
_INSTANT = pa.timestamp("us", "Asia/Shanghai")

# MySQL type, Arrow type, a value.
_EXAMPLES: tuple[tuple[str, pa.DataType, Any], ...] = (
    ("TINYINT", pa.int8(), -128),
    ("TINYINT UNSIGNED", pa.uint8(), 255),
    ("SMALLINT", pa.int16(), -32768),
    ("SMALLINT UNSIGNED", pa.uint16(), 65535),
    ("MEDIUMINT", pa.int32(), -8388608),
    ("MEDIUMINT UNSIGNED", pa.uint32(), 16777215),
    ("INT", pa.int32(), -2147483648),
    ("INT UNSIGNED", pa.uint32(), 4294967295),
    ("BIGINT", pa.int64(), 51200),
    ("BIGINT", pa.int64(), 1234567890123456),
    ("BIGINT", pa.int64(), -9223372036854775808),
    ("BIGINT UNSIGNED", pa.uint64(), 18446744073709551615),
    ("BIT(64)", pa.uint64(), 5),
    ("YEAR", pa.int16(), 2026),
    ("DECIMAL(10,2)", pa.decimal128(10, 2), Decimal("-10.50")),
    ("DECIMAL(32,2)", pa.decimal128(32, 2), Decimal("1234567890123.45")),
    ("DECIMAL(32,2)", pa.decimal128(32, 2), Decimal("12345678901234.56")),
    ("DECIMAL(41,0)", pa.decimal256(41, 0), Decimal(51200)),
    ("DECIMAL(65,30)", pa.decimal256(65, 30), Decimal("12345678901234567890123456789012345." + "0" * 29 + "1")),
    ("FLOAT", pa.float32(), 0.1),
    ("DOUBLE", pa.float64(), 0.1 + 0.2),
    ("DOUBLE", pa.float64(), 1e20),
    ("FLOAT(10,2)", pa.float64(), 1234567.88),
    ("DOUBLE(16,4)", pa.float64(), 5.0),
    ("DATE", pa.date32(), date(2026, 11, 20)),
    ("DATE", pa.date32(), date(1900, 1, 1)),
    ("DATETIME", pa.timestamp("us"), datetime.fromisoformat("2026-11-20 14:00")),
    ("DATETIME(3)", pa.timestamp("us"), datetime.fromisoformat("2026-11-20 14:00:00.007")),
    ("DATETIME(6)", pa.timestamp("us"), datetime.fromisoformat("2026-11-20 14:00:00.123456")),
    ("TIMESTAMP", _INSTANT, datetime(2026, 11, 20, 14, tzinfo=_SHANGHAI)),
    ("TIME", pa.string(), "-838:59:59"),
    ("CHAR, VARCHAR, TEXT", pa.string(), '张三 said "hi"'),
    ("CHAR, VARCHAR, TEXT", pa.string(), "=1+1"),
    ("CHAR, VARCHAR, TEXT", pa.string(), "nul \0, escape \x1b"),
    ("CHAR, VARCHAR, TEXT", pa.string(), ""),
    ("ENUM, SET", pa.string(), "paid"),
    ("JSON", pa.string(), '{"a": 1}'),
    ("BINARY, VARBINARY, BLOB, GEOMETRY, VECTOR", pa.binary(), b"\x00\xff"),
    ("any, NULL", pa.string(), None),
)

# PostgreSQL's types; what a value is of which the server's own text is kept, stands there as that text.
_OF_POSTGRESQL: tuple[tuple[str, pa.DataType, Any], ...] = (
    ("boolean", pa.bool_(), True),
    ("smallint", pa.int16(), -32768),
    ("integer", pa.int32(), -2147483648),
    ("bigint", pa.int64(), -9223372036854775808),
    ("oid", pa.uint32(), 4294967295),
    ("real", pa.float32(), 0.1),
    ("double precision", pa.float64(), 0.1 + 0.2),
    ("real, double precision", pa.float64(), float("nan")),
    ("real, double precision", pa.float64(), float("-inf")),
    ("numeric(10,2)", pa.decimal128(10, 2), Decimal("-10.50")),
    ("numeric(10,2), with a NaN in the column", pa.string(), "NaN"),
    ("sum of numeric(10,2)", pa.decimal128(32, 2), Decimal("98231.50")),
    ("numeric(76,10)", pa.decimal256(76, 10), Decimal("1" * 60 + ".5000000000")),
    ("numeric, numeric(100,5)", pa.string(), "1.10"),
    ("numeric", pa.string(), "Infinity"),
    ("money", pa.string(), "$1,234.56"),
    ("date", pa.date32(), date(2026, 11, 20)),
    ("timestamp", pa.timestamp("us"), datetime.fromisoformat("2026-11-20 14:00:00.123456")),
    ("timestamp with time zone", _INSTANT, datetime(2026, 11, 20, 14, tzinfo=_SHANGHAI)),
    ("date, timestamp: infinity, year 10000, years BC", pa.date32(), None),
    ("time", pa.string(), "24:00:00"),
    ("time with time zone", pa.string(), "14:00:00+08"),
    ("interval", pa.string(), "1 year 2 mons -3 days +04:05:06.789"),
    ("text, varchar", pa.string(), '张三 said "hi"'),
    ("char(5)", pa.string(), "ab   "),
    ('name, "char"', pa.string(), "orders"),
    ("enum", pa.string(), "paid"),
    ("bytea", pa.binary(), b"\x00\xff"),
    ("bit(5), varbit", pa.string(), "10101"),
    ("uuid", pa.string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", pa.string(), '{"b": 1,  "a": 2}'),
    ("jsonb", pa.string(), '{"a": 2, "b": 1}'),
    ("jsonpath", pa.string(), '$."a"[*]'),
    ("xml", pa.string(), "<a>1</a>"),
    ("array of any type", pa.string(), '{1,NULL,"a b"}'),
    ("composite", pa.string(), '(1,"x, y")'),
    ("int4range, int8range, numrange", pa.string(), "[1,5)"),
    ("tsrange, tstzrange, daterange", pa.string(), "[2026-01-01,2026-02-01)"),
    ("multirange of any type", pa.string(), "{[1,2),[5,8)}"),
    ("inet, cidr", pa.string(), "192.168.0.1/24"),
    ("macaddr, macaddr8", pa.string(), "08:00:2b:01:02:03"),
    ("point, line, lseg, box, path, polygon, circle", pa.string(), "(0.1,-2)"),
    ("tsvector, tsquery", pa.string(), "'cat':3A 'fat':2"),
    ("pg_lsn, xid, xid8, cid, tid", pa.string(), "16/B374D848"),
    ("pg_snapshot, txid_snapshot", pa.string(), "10:20:10,14,15"),
    ("regclass and all other reg types", pa.string(), "pg_class"),
    ("any other type, of extensions too", pa.string(), "the server's own text"),
    ("domain", pa.decimal128(12, 3), Decimal("12.345")),
    ("any, NULL", pa.string(), None),
)

# How the two lines around a table begin and end, the first word of its head, where a field has its type, the values.
_TABLES = (
    ("table", "MySQL", "mysql_type", _EXAMPLES),
    ("table of PostgreSQL", "PostgreSQL", "source_type", _OF_POSTGRESQL),
)


def with_table(page: str) -> str:
    """Return the page with each table between its two marks as the code is now."""
    for what, database, key, examples in _TABLES:
        begin, end = (f"<!-- {word} of the generated {what}. -->\n" for word in ("Begin", "End"))
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"the page needs both marks, {begin.strip()!r} and {end.strip()!r}")
        head = f"| {database} | Arrow | JSON | CSV | Excel | Parquet |\n|---|---|---|---|---|---|\n"
        lines = "".join(f"| {' | '.join(line)} |\n" for line in _lines(key, examples))
        page = f"{before}{begin}{head}{lines}{end}{after}"
    return page


def _lines(key: str, examples: Iterable[tuple[str, pa.DataType, Any]]) -> Iterator[tuple[str, ...]]:
    for source, kind, value in examples:
        field = pa.field("example", kind, metadata={key: source})
        column = pa.array([value], kind)
        no_number = test_for_strings(field, JsonOptions())
        json_token = json_column(column, field, JsonOptions(), quote=no_number is not None and no_number(column))
        csv_token, _ = csv_column(column, field, CsvOptions())
        yield (
            source,
            f"`{kind}`",
            _code(json_token, "null"),
            _code(csv_token, ""),
            _excel(column, field),
            f"`{portable_type(column, ParquetOptions())}`",
        )


def _excel(column: pa.Array, field: pa.Field) -> str:
    would_change = test_for_changes(field)
    kind = TEXT if would_change is not None and would_change(column) else kind_by_type(field)
    schema = pa.schema([field])
    pieces, _ = row_pieces(
        pa.RecordBatch.from_arrays([column], schema=schema), schema, (kind,), ("A",), (CellStyle(0, 0),), 2
    )
    cell = rows_as_bytes(pieces, null="").decode()
    if "<c " not in cell:
        return "no cell"
    if text := re.search("<t [^>]*>(.*)</t>", cell, re.DOTALL):
        return f"text {_mark(html.unescape(text[1]))}"
    form = "" if kind.number_format == "General" else f" as `{kind.number_format}`"
    return f"{kind.kind}{form} {_code(plain_text(column, field), '')}"


def _code(piece: Piece, null: str) -> str:
    return _mark(rows_as_bytes([piece], null=null).decode())


def _mark(text: str) -> str:
    # A NUL or an escape would make the page a binary file.
    visible = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text.replace("|", "\\|"))
    return f"`{visible}`" if visible else "nothing"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
