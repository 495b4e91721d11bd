"""One column for every MySQL type with its extremes, and extracts made of them without a database."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.extract import Dataset, Extract

SHANGHAI = timezone(timedelta(hours=8))
ODD_TEXT = [
    "plain",
    "",
    "中文，客户备注",
    "emoji 😀👩‍👩‍👧 and 𠀀",
    'quotes " and "" and \'',
    "commas, semicolons; tabs\t and pipes |",
    "line\nfeed",
    "carriage\r\nreturn\ralone",
    "nul \0 and \x01\x08\x0b\x1b\x1f controls \x7f\x85",
    "back\\slash \\n \\u0041",
    "separators \u2028 \u2029 mark \ufeff",
    "noncharacters \ufffe \uffff \U0001ffff",
    '<tag attr="1">&amp;</tag> ]]>',
    "_x0041_ _x0041_x0042_ _x005F_ _xZZZZ_ _x004_",
    " spaces at both ends ",
    "=1+1",
    "+86 138 0013 8000",
    "-2+3",
    "@SUM(A1)",
    "\ttab first",
    "\rreturn first",
    "-5.20",
    "+1",
    "-",
    "NULL",
    "null",
    "0012",
    "1e5",
    None,
]


def field(name: str, kind: pa.DataType, mysql: str) -> pa.Field:
    return pa.field(name, kind, metadata={"mysql_type": mysql})


def _column(kind: pa.DataType, mysql: str, *values: Any) -> tuple[pa.DataType, str, list[Any]]:
    return kind, mysql, list(values)


# Each is one column; NULL comes with all of them.
TYPES: dict[str, tuple[pa.DataType, str, list[Any]]] = {
    "tinyint": _column(pa.int8(), "TINYINT", -128, 127, 0, None),
    "tinyint_unsigned": _column(pa.uint8(), "TINYINT UNSIGNED", 0, 255, None),
    "smallint": _column(pa.int16(), "SMALLINT", -32768, 32767, None),
    "int": _column(pa.int32(), "INT", -(2**31), 2**31 - 1, None),
    "int_unsigned": _column(pa.uint32(), "INT UNSIGNED", 0, 2**32 - 1, None),
    "bigint_small": _column(pa.int64(), "BIGINT", -(10**15) + 1, 10**15 - 1, 0, None),
    "bigint_safe": _column(pa.int64(), "BIGINT", -(2**53) + 1, 2**53 - 1, None),
    "bigint": _column(pa.int64(), "BIGINT", -(2**63), 2**63 - 1, 1, None),
    "bigint_unsigned": _column(pa.uint64(), "BIGINT UNSIGNED", 0, 2**64 - 1, None),
    "bit": _column(pa.uint64(), "BIT(64)", 0, 1, 2**64 - 1, None),
    "year": _column(pa.int16(), "YEAR", 1901, 2155, None),
    "money": _column(
        pa.decimal128(10, 2), "DECIMAL(10,2)", Decimal("-99999999.99"), Decimal("0.00"), Decimal("10.50"), None
    ),
    "fine": _column(
        pa.decimal128(15, 10), "DECIMAL(15,10)", Decimal("0E-10"), Decimal("1E-10"), Decimal("-0.0000001000"), None
    ),
    "sum_of_money": _column(pa.decimal128(32, 2), "DECIMAL(32,2)", Decimal("1234567890123.45"), Decimal("-0.05"), None),
    "sum_of_bigint": _column(pa.decimal256(41, 0), "DECIMAL(41,0)", Decimal(123), Decimal(-(10**20)), None),
    "exact": _column(
        pa.decimal128(38, 10), "DECIMAL(38,10)", Decimal("1.5000000000"), Decimal("1234567890.1234567891"), None
    ),
    "widest": _column(
        pa.decimal256(65, 30),
        "DECIMAL(65,30)",
        Decimal("9" * 35 + "." + "9" * 30),
        Decimal("-0." + "0" * 29 + "1"),
        Decimal("0E-30"),
        None,
    ),
    "float": _column(
        pa.float32(), "FLOAT", 0.10000000149011612, -3.4028234663852886e38, 1.401298464324817e-45, 16777216.0, None
    ),
    "double": _column(
        pa.float64(),
        "DOUBLE",
        0.1 + 0.2,
        1e20,
        -1.7976931348623157e308,
        2.2250738585072014e-308,
        5e-324,
        -0.0,
        100.0,
        1e15,
        None,
    ),
    "date": _column(
        pa.date32(),
        "DATE",
        date(1, 1, 1),
        date(1900, 2, 28),
        date(1900, 3, 1),
        date(2026, 11, 20),
        date(9999, 12, 31),
        None,
    ),
    "datetime": _column(
        pa.timestamp("us"),
        "DATETIME",
        datetime(1000, 1, 1),
        datetime(2026, 11, 20, 14, 0, 0),
        datetime(9999, 12, 31, 23, 59, 59),
        None,
    ),
    "datetime_3": _column(
        pa.timestamp("us"),
        "DATETIME(3)",
        datetime(2026, 11, 20, 14, 0, 0, 7000),
        datetime(1969, 12, 31, 23, 59, 59, 999000),
        None,
    ),
    "datetime_4": _column(pa.timestamp("us"), "DATETIME(4)", datetime(2026, 11, 20, 14, 0, 0, 123400), None),
    "datetime_6": _column(
        pa.timestamp("us"), "DATETIME(6)", datetime(2026, 11, 20, 14, 0, 0, 123456), datetime(1000, 1, 1), None
    ),
    "timestamp": _column(
        pa.timestamp("us", "Asia/Shanghai"),
        "TIMESTAMP",
        datetime(1970, 1, 1, 8, 0, 1, tzinfo=SHANGHAI),
        datetime(2026, 11, 20, 23, 30, tzinfo=SHANGHAI),
        None,
    ),
    "time": _column(pa.string(), "TIME", "-838:59:59", "838:59:59", "00:00:00", None),
    "json": _column(pa.string(), "JSON", '{"a": [1, "\\u0000 \\" 中"], "big": 12345678901234567890}', "[]", None),
    "enum": _column(pa.string(), "ENUM", "已付款", "", None),
    "text": _column(pa.string(), "TEXT", *ODD_TEXT),
    "binary": _column(pa.binary(), "VARBINARY", bytes(range(256)), b"", b"\x00", b"=1", None),
}
ROWS = max(len(values) for _, _, values in TYPES.values())


def all_types() -> pa.Table:
    """Every column of TYPES, shorter ones filled up with their own values over again."""
    fields = [field(name, kind, mysql) for name, (kind, mysql, _) in TYPES.items()]
    arrays = [pa.array([values[row % len(values)] for row in range(ROWS)], kind) for kind, _, values in TYPES.values()]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def column(name: str, kind: pa.DataType, mysql: str, values: list[Any]) -> pa.Table:
    return pa.Table.from_arrays([pa.array(values, kind)], schema=pa.schema([field(name, kind, mysql)]))


def make_extract(
    folder: Path,
    detail: pa.Table | None = None,
    *,
    summary: pa.Table | None = None,
    table: str = "orders",
    **changes: Any,
) -> Extract:
    """An extract of these tables; the summary is one row with a count unless given."""
    if summary is None:
        summary = column("row_count", pa.int64(), "BIGINT", [detail.num_rows if detail else 0])
    datasets = []
    for name, rows in (("summary", summary), ("detail", detail)):
        if rows is not None:
            path = folder / f"{name}.extract.parquet"
            pq.write_table(rows, path, compression="zstd", row_group_size=1000)
            facts: dict[str, Any] = {
                "rows": rows.num_rows,
                "schema": rows.schema,
                "truncated": False,
                "order": "primary key (id)",
            } | changes
            datasets.append(Dataset(name=name, path=path, sql="SELECT `id`\nFROM `orders`", **facts))  # type: ignore[arg-type]
    return Extract(table=table, window="2026-11-20", datasets=tuple(datasets), consistency="snapshot")
