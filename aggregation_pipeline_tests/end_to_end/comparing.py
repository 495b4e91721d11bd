"""Compare what files say with what an independent client of the database says."""

import base64
import datetime as dt
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from aggregation_pipeline_tests.end_to_end.every_type import (
    ROWS,
    Published,
)
from aggregation_pipeline_tests.formats.test_csv_file import documented


def compare(published: Published, rows: Sequence[Sequence[Any]], same: Callable[[str, str, Any, Any], bool]) -> None:
    assert len(rows) == ROWS
    wrong = []
    for number, (found, row) in enumerate(zip(rows, published.rows, strict=True)):
        assert len(found) == len(row)
        for got, (name, value) in zip(found, row.items(), strict=True):
            if not same(published.kinds[name].family, name, got, value):
                wrong.append(f"row {number}, {name}: {str(got)[:60]!r} for {str(value)[:60]!r}")
    assert not wrong


def is_same_text(family: str, text: str, value: Any) -> bool:
    """Whether a number, date or text written as plain text is the value."""
    if family in ("int", "bit"):
        return text == str(value)
    if family == "decimal":
        return text == f"{value:f}"
    if family == "float":
        return bool(np.float32(text) == np.float32(value)) and len(text) <= len(repr(float(np.float32(value))))
    if family == "double":
        return bool(float(text) == value)
    if family == "bytes":
        return bool(bytes.fromhex(text.removeprefix("0x")) == value)
    if family in ("date", "datetime", "timestamp"):
        found = (dt.date if family == "date" else dt.datetime).fromisoformat(text)
        return bool(found == value)
    return bool(text == value)


def unescaped(value: Any) -> Any:
    return (
        re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), value) if isinstance(value, str) else value
    )


def as_moment(value: Any) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.fromisoformat(value.isoformat())
    return value


def by_duckdb(columns: str, path: Path) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = (
        duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)]).fetchall()
    )
    return rows


def json_row(row: dict[str, Any]) -> tuple[Any, ...]:
    readings: Sequence[Callable[[Any], Any]] = (
        str,
        int,
        Decimal,
        lambda text: base64.b64decode(text, validate=True),
        dt.datetime.fromisoformat,
    )
    return tuple(None if cell is None else reading(cell) for cell, reading in zip(row.values(), readings, strict=True))


def csv_row(row: tuple[Any, ...], text: str) -> tuple[str, ...]:
    s, n, d, b, m = row
    # An escaped formula is the one departure, and one that the docs take back.
    wanted = text if documented("unescaped")(text) == (s or "") else s or ""
    moment = "" if m is None else m.isoformat(sep=" ", timespec="microseconds")
    plain = ("" if n is None else str(n), "" if d is None else f"{d:f}", "" if b is None else "0x" + b.hex().upper())
    return (wanted, *plain, moment)
