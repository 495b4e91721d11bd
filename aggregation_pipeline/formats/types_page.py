"""The table in docs/types.md: what becomes of every MySQL type in each format.

    python -m aggregation_pipeline.formats.types_page docs/types.md

Each line is a value that went through the column functions of the formats, so the table always says what they do. The
text around the table is written in the page itself.
"""

import html
import re
import sys
from collections.abc import Iterator
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

_BEGIN = "<!-- Begin of the generated table. -->\n"
_END = "<!-- End of the generated table. -->\n"
_HEAD = "| MySQL | Arrow | JSON | CSV | Excel | Parquet |\n|---|---|---|---|---|---|\n"


def with_table(page: str) -> str:
    """Return the page with the table between its two marks as the code is now."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"the page needs both marks, {_BEGIN.strip()!r} and {_END.strip()!r}")
    lines = "".join(f"| {' | '.join(line)} |\n" for line in _lines())
    return f"{before}{begin}{_HEAD}{lines}{end}{after}"


def _lines() -> Iterator[tuple[str, ...]]:
    for mysql, kind, value in _EXAMPLES:
        field = pa.field("example", kind, metadata={"mysql_type": mysql})
        column = pa.array([value], kind)
        no_number = test_for_strings(field, JsonOptions())
        json_token = json_column(column, field, JsonOptions(), quote=no_number is not None and no_number(column))
        csv_token, _ = csv_column(column, field, CsvOptions())
        yield (
            mysql,
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
