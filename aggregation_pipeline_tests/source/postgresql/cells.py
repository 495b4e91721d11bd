"""What psycopg2 says of a table's cells, and whether a cell of a file or of Arrow says the same."""

import base64
from datetime import date, datetime
from decimal import Decimal
from math import isnan
from typing import Any

import psycopg2
import psycopg2.extensions
import pyarrow as pa

from aggregation_pipeline_tests.end_to_end.comparing import unescaped
from aggregation_pipeline_tests.support.reading import ZONE

Row = dict[str, Any]
# A cell of Excel holds so much text.
EXCEL_TEXT = 32_767


def as_text(client: "psycopg2.extensions.connection", table: str, names: list[str]) -> list[Row]:
    """The cells as the server's own text."""
    return _rows(client, table, {name: f"{name}::text" for name in names})


def values_of(client: "psycopg2.extensions.connection", table: str, names: list[str]) -> list[Row]:
    """The cells as psycopg2 reads them, and days that no calendar has as None."""
    return _rows(client, table, {name: name for name in names})


def _rows(client: "psycopg2.extensions.connection", table: str, asked: dict[str, str]) -> list[Row]:
    with client.cursor() as cursor:
        for oid, known in _MOMENTS.items():
            psycopg2.extensions.register_type(
                psycopg2.extensions.new_type((oid,), known.name, _in_calendar(known)), cursor
            )
        cursor.execute("SET TimeZone = 'Asia/Shanghai'")
        cursor.execute(f"SELECT {', '.join(asked.values())} FROM {table} ORDER BY id")
        return [dict(zip(asked, row, strict=True)) for row in cursor.fetchall()]


_MOMENTS = {
    1082: psycopg2.extensions.PYDATE,
    1114: psycopg2.extensions.PYDATETIME,
    1184: psycopg2.extensions.PYDATETIMETZ,
}


def is_beyond(text: str | None) -> bool:
    """Whether the server's text of a date or timestamp is of a day that no calendar has."""
    return text is not None and ("infinity" in text or text.endswith("BC") or text.index("-") > 4)


def _in_calendar(known: Any) -> Any:
    # psycopg2 itself takes infinity for the last day of the calendar, and fails for others.
    return lambda text, cursor: None if is_beyond(text) else known(text, cursor)


def same(ours: Any, theirs: Any) -> bool:
    """Whether a Python value of Arrow's or of DuckDB's is the value."""
    if isinstance(theirs, memoryview):
        return bytes(ours) == bytes(theirs)
    if isinstance(theirs, float) and isnan(theirs):
        return isnan(ours)
    if isinstance(theirs, float) and isinstance(ours, float):
        # psycopg2 has one kind of float: the text of a real, read as a double.
        return ours == theirs or float(pa.scalar(theirs, pa.float32()).as_py()) == ours
    if isinstance(theirs, datetime) and theirs.tzinfo is not None:
        return ours is not None and ours.astimezone(ZONE) == theirs
    return bool(ours == theirs)


def same_in_json(written: Any, value: Any, text: str | None) -> bool:
    """Whether a value of JSON is the value, of which the server's text is `text`."""
    if value is None:
        return written is None
    if isinstance(value, bool):
        return written is value
    if isinstance(value, int):
        return int(written) == value
    if isinstance(value, Decimal):
        return Decimal(written) == value
    if isinstance(value, float):
        return str(written) == text or float(written) == value
    if isinstance(value, memoryview):
        return base64.b64decode(written) == bytes(value)
    if isinstance(value, datetime):
        return datetime.fromisoformat(written) == value
    return bool(date.fromisoformat(written) == value) if isinstance(value, date) else written == value


def same_in_csv(written: str | None, value: Any) -> bool:
    """Whether a field of CSV is the value. What a spreadsheet would run has a quote before it; NULL is nothing."""
    if isinstance(value, str):
        return written in (value, f"'{value}")
    return written is None if value is None else written is not None and is_written(written, value)


def same_in_excel(cell: Any, value: Any) -> bool:
    """Whether a cell of Excel is the value. NULL and the empty text read alike there."""
    if value in (None, ""):
        return cell in (None, "")
    if isinstance(value, bool):
        return cell is value
    if isinstance(cell, (int, float)):
        return cell == value if isinstance(value, float) else Decimal(repr(cell)) == value
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None) == (_clock(value) if isinstance(value, datetime) else _midnight(value))
    if isinstance(value, str):
        whole = len(value.encode("utf-16-le")) // 2 <= EXCEL_TEXT
        # calamine takes Excel's notation of control characters back by itself.
        return (value if whole else value[: EXCEL_TEXT - 1] + "…") in (cell, unescaped(cell))
    return is_written(cell, value)


def is_written(text: str, value: Any) -> bool:
    """Whether plain text says what a value that is no text is."""
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, float):
        return float(text) == value or (isnan(value) and text == "NaN")
    if isinstance(value, memoryview):
        return text == f"0x{value.hex().upper()}"
    if isinstance(value, datetime):
        return datetime.fromisoformat(text) == _clock(value)
    return text == (f"{value:f}" if isinstance(value, Decimal) else str(value))


def _clock(value: datetime) -> datetime:
    """What the clock of the zone shows."""
    return value if value.tzinfo is None else value.astimezone(ZONE).replace(tzinfo=None)


def _midnight(day: date) -> datetime:
    return datetime.fromisoformat(day.isoformat())
