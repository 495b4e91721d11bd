"""Whether a value that was published is what an independent client was sent."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import numpy as np

EPOCH = dt.datetime.fromisoformat("1970-01-01")


def is_no_day(mysql_type: str, sent: bytes | None) -> bool:
    """Whether it is a day that no calendar has, which the files have as NULL."""
    return mysql_type.startswith(("DATE", "TIMESTAMP")) and re.match(rb"\d{4}-(00|\d\d-00)", sent or b"") is not None


def is_value(mysql_type: str, value: Any, sent: bytes | None) -> bool:
    """Whether a value from Parquet is what the server sent as text."""
    if is_no_day(mysql_type, sent):
        return value is None
    if value is None or sent is None:
        return value is None and sent is None
    if isinstance(value, bytes):
        return bool(value == sent)
    text = sent.decode()
    if mysql_type == "FLOAT":
        return bool(np.float32(text) == np.float32(value))
    if mysql_type.startswith(("DOUBLE", "FLOAT")):
        return bool(float(text) == value)
    if mysql_type.startswith(("DATETIME", "TIMESTAMP")):
        offset = dt.timedelta(hours=8) if mysql_type.startswith("TIMESTAMP") else dt.timedelta()
        return bool(EPOCH + dt.timedelta(microseconds=value) + offset == dt.datetime.fromisoformat(text))
    if isinstance(value, Decimal):
        # MariaDB keeps up to 38 digits behind the point, and through a temporary table 30 of them.
        kept = text.index(".") + 31 if "." in text else None
        return bool(f"{value:f}"[:kept] == text[:kept])
    if isinstance(value, int):
        return bool(value == int(text))
    return str(value) == text


def is_text(mysql_type: str, text: str, sent: bytes | None) -> bool:
    """Whether a cell of a CSV file is what the server sent."""
    if sent is None or is_no_day(mysql_type, sent):
        return text == ""
    if "BINARY" in mysql_type or "BLOB" in mysql_type or mysql_type == "GEOMETRY":
        return bytes.fromhex(text.removeprefix("0x")) == sent
    said = sent.decode()
    if mysql_type == "FLOAT":
        return bool(np.float32(text) == np.float32(said))
    if mysql_type.startswith(("DOUBLE", "FLOAT")):
        return float(text) == float(said)
    if mysql_type.startswith(("DATETIME", "TIMESTAMP")):
        return dt.datetime.fromisoformat(text).replace(tzinfo=None) == dt.datetime.fromisoformat(said)
    if mysql_type.split("(", maxsplit=1)[0].split(" ", maxsplit=1)[0] in {
        "TINYINT",
        "SMALLINT",
        "MEDIUMINT",
        "INT",
        "BIGINT",
        "YEAR",
        "BIT",
    }:
        return int(text) == int(said)
    return text in (said, f"'{said}")
