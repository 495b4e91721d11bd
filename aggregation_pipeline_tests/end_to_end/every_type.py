"""A table with a column of every type, its extremes, and how it is published."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

SHANGHAI = dt.timezone(dt.timedelta(hours=8))


NASTY = r"'a\0b\nc\r\nd\te\"f''g,h;i|\\ \Z'"


@dataclass(frozen=True)
class Kind:
    """A column of the table.

    Attributes:
        sql: its type.
        literals: what is put in, a row each; NULL in the rows beyond.
        family: how its values are compared.
        ask: how the independent client gets all of it, where asking for the column alone loses something.
    """

    sql: str
    literals: Sequence[str]
    family: str
    ask: str = "{}"


def integers(low: int, high: int) -> list[str]:
    return [str(low), str(high), "0"]


COLUMNS: dict[str, Kind] = {
    "tiny 1": Kind("TINYINT(1)", integers(-128, 127), "int"),
    "tiny": Kind("TINYINT", integers(-128, 127), "int"),
    "tiny_u": Kind("TINYINT UNSIGNED", integers(0, 255), "int"),
    "small": Kind("SMALLINT", integers(-(2**15), 2**15 - 1), "int"),
    "small_u": Kind("SMALLINT UNSIGNED", integers(0, 2**16 - 1), "int"),
    "medium": Kind("MEDIUMINT", integers(-(2**23), 2**23 - 1), "int"),
    "medium_u": Kind("MEDIUMINT UNSIGNED", integers(0, 2**24 - 1), "int"),
    "int": Kind("INT", integers(-(2**31), 2**31 - 1), "int"),
    "int_u": Kind("INT UNSIGNED", integers(0, 2**32 - 1), "int"),
    "big": Kind("BIGINT", integers(-(2**63), 2**63 - 1), "int"),
    "big_u": Kind("BIGINT UNSIGNED", integers(2**53 + 1, 2**64 - 1), "int"),
    "filled": Kind("INT(8) ZEROFILL", ["42"], "int"),
    "money": Kind("DECIMAL(10,2)", ["-99999999.99", "0.01", "10.50"], "decimal"),
    "wide": Kind("DECIMAL(38,10)", ["-" + "9" * 28 + "." + "9" * 10, "0.0000000001"], "decimal"),
    "widest": Kind("DECIMAL(65,30)", ["-" + "9" * 35 + "." + "9" * 30, "0." + "0" * 29 + "1"], "decimal"),
    "whole": Kind("DECIMAL(38,0) UNSIGNED", ["9" * 38, "0"], "decimal"),
    "float": Kind("FLOAT", ["16777217", "0.1", "-3.4028234663852886e38", "1e-45", "0.33333334"], "float", "{} + 0e0"),
    "double": Kind("DOUBLE", ["0.1", "1.7976931348623157e308", "5e-324", "-1e22", "0.30000000000000004"], "double"),
    "bit1": Kind("BIT(1)", ["b'1'", "b'0'"], "bit"),
    "bit13": Kind("BIT(13)", ["b'1000000000001'"], "bit"),
    "bit64": Kind("BIT(64)", ["~0", "b'0'"], "bit"),
    "day": Kind("DATE", ["'1000-01-01'", "'9999-12-31'", "'2024-02-29'"], "date"),
    "never": Kind("DATE", ["'0000-00-00'", "'2026-00-10'", "'2026-01-02'"], "date"),
    "clock": Kind("DATETIME", ["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'0000-00-00 00:00:00'"], "datetime"),
    "millis": Kind("DATETIME(3)", ["'2026-11-20 14:00:00.007'", "'1969-12-31 23:59:59.999'"], "datetime"),
    "micros": Kind("DATETIME(6)", ["'2026-11-20 14:00:00.123456'", "'1969-12-31 23:59:59.999999'"], "datetime"),
    "stamp": Kind(
        "TIMESTAMP NULL", ["'1970-01-01 08:00:01'", "'2038-01-19 11:14:07'", "'2026-11-20 14:00:00'"], "timestamp"
    ),
    "stamp6": Kind("TIMESTAMP(6) NULL", ["'2026-11-20 14:00:00.000001'"], "timestamp"),
    "time": Kind("TIME", ["'-838:59:59'", "'838:59:59'", "'00:00:00'"], "text", "CAST({} AS CHAR)"),
    "time6": Kind("TIME(6)", ["'-00:00:00.000001'", "'25:00:00.5'"], "text", "CAST({} AS CHAR)"),
    "year": Kind("YEAR", ["1901", "2155"], "int"),
    "char": Kind("CHAR(20)", ["'x '", "''", "'=1+1'"], "text"),
    "text": Kind(
        "VARCHAR(300)", ["''", NASTY, "'你好，世界😀'", "'=HYPERLINK(\"x\")'", "'@a'", "'-1'", "'+86 1'"], "text"
    ),
    "long": Kind("LONGTEXT", ["REPEAT('很', 32767)", "REPEAT('x', 70000)", "''"], "text"),
    "binary": Kind("BINARY(4)", ["'a'", "x'00ff1a0d'"], "bytes"),
    "varbinary": Kind("VARBINARY(300)", ["x''", "x'00ff1a0d0a'", "REPEAT(x'fe', 255)"], "bytes"),
    "blob": Kind("LONGBLOB", ["x'00'", "REPEAT(x'ff', 10000)"], "bytes"),
    "enum": Kind("ENUM('a','贰','')", ["'贰'", "''", "'a'"], "text"),
    "set": Kind("SET('a','b','贰')", ["'a,贰'", "''", "'b'"], "text"),
    "json": Kind("JSON", ['\'{"键": [1, 2.50, "😀"], "a": null}\'', "'null'", "'[]'"], "text"),
    "shape": Kind("GEOMETRY", ["ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')"], "bytes"),
    "select": Kind("INT", ["1"], "int"),
    '列 名.点`"': Kind("VARCHAR(10)", ["'x'"], "text"),
}


ROWS = 1 + max(len(kind.literals) for kind in COLUMNS.values())


# So that the row of NULLs is a row in every format.
NUMBER = {"id": Kind("INT PRIMARY KEY", [str(number) for number in range(ROWS)], "int")}


CHARACTER_SETS = {
    "latin": Kind("VARCHAR(20) CHARACTER SET latin1", ["'café ÿ'", "''"], "text"),
    "gbk": Kind("VARCHAR(20) CHARACTER SET gbk", ["'中文'", "''"], "text"),
}


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Published:
    """The table as an independent client sees it, and the folder that it was published in."""

    kinds: dict[str, Kind]
    rows: list[dict[str, Any]]
    exported: ExportedWindow
    folder: Path

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def publish(server: MySQLServer, database: str, folder: Path, **keys: Any) -> ExportedWindow:
    destination = Destination(FolderStore(folder), "", "run", TableEntry(name="t").options, folder / "temp", NoLock())
    request = ReadRequest(TableEntry.model_validate(keys), "2026-11-21", LOGICAL_TIME, ZONE)
    return export_window(request, options_for(server, database), FORMAT_NAMES, destination, FailsOnWarning())


class FailsOnWarning(SilentObserver):
    def warn(self, text: str) -> None:
        pytest.fail(text)
