"""Every type in every function, with and without a temporary table: the files say what another client reads.

What a server declares and what it sends differ more often than one thinks: `MAX(paid)` of a BIT came as the bytes of a
number or as its digits, by what stood beside it. So the walk is generated: each column type is put into each function,
and whatever a server takes without a warning is exported and compared with what the `mariadb` command prints, which
shares no code with the driver.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from aggregation_pipeline.config.columns import FUNCTIONS
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError, SourceError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.mysql.variables import SQL_MODE
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock import NoLock
from aggregation_pipeline_tests.end_to_end.test_fidelity import FailsOnWarning, quoted
from aggregation_pipeline_tests.support.every_expression import (
    AGGREGATES,
    GROUPS,
    REFUSED,
    SAMPLE,
    SCALARS,
    TEMPORARY,
    TYPES,
)
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.client import ask
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.packets import BINARY

pytestmark = pytest.mark.sample56

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001
SERVER_NAMES = {"STDDEV": "STDDEV_POP", "VARIANCE": "VAR_POP"}


@dataclass(frozen=True)
class Shape:
    """How the figures are asked for: what stands beside them decides whether the server makes a temporary table."""

    key: str | None
    beside: Sequence[str] = ()
    buffered: bool = False


SHAPES = {
    "one row": Shape(None),
    "groups by an index": Shape("k"),
    "groups by a temporary table": Shape("g", TEMPORARY),
    "one row, buffered": Shape(None, buffered=True),
    "groups beside distinct values": Shape("k", TEMPORARY, buffered=True),
}


@dataclass(frozen=True)
class Source:
    """The table `t` on one server, and what was found to be taken there."""

    server: MySQLServer
    database: str
    types: dict[str, tuple[str, Sequence[str]]]

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Columns and expressions that no file can be made of here."""
        known = REFUSED.get(self.server.name, {})
        return [(column, written.format(c=quoted(column))) for written, columns in known.items() for column in columns]

    @property
    def settings(self) -> list[str]:
        zone = "Asia/Shanghai" if "named zones" in self.server.capabilities else "+08:00"
        moment = LOGICAL_TIME.timestamp()
        variables = f"time_zone = '{zone}', timestamp = {moment}, group_concat_max_len = 1000000"
        return [f"SET SESSION sql_mode = '{SQL_MODE}', {variables}"]


@pytest.fixture(scope="module")
def source(mysql: MySQLServer) -> Source:
    types = {name: each for name, each in TYPES.items() if name != "json" or "json" in mysql.capabilities}
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+08:00', sql_mode = ''")
        columns = ", ".join(
            f"{name} {sql}" if "NULL" in sql else f"{name} {sql} NULL" for name, (sql, _) in quoted_names(types).items()
        )
        cursor.execute(f"CREATE TABLE t (id INT PRIMARY KEY, g INT, k INT, {columns}, KEY (k)) CHARACTER SET utf8mb4")
        for row, group in enumerate(GROUPS):
            place = {0: 0, 1: 1, 2: 2, 3: 3}.get(row)
            cells = ["NULL" if place is None else values[place] for _, values in types.values()]
            cursor.execute(f"INSERT INTO t VALUES ({row + 1}, {group}, {group}, {', '.join(cells)})")
    return Source(mysql, database, types)


def quoted_names(types: dict[str, tuple[str, Sequence[str]]]) -> dict[str, tuple[str, Sequence[str]]]:
    return {quoted(name): each for name, each in types.items()}


def taken(source: Source, expressions: Sequence[str], tail: str, beside: Sequence[str] = ()) -> list[str]:
    """Those of the expressions that the server takes and has no doubts about, with `beside` in the same statement.

    No table may be exported with the others. The driver's own converters stay out of it: they choke on what a server
    declares wrongly.
    """
    found = []
    with (
        source.server.connect(database=source.database, conv={}, use_unicode=False) as connection,
        connection.cursor() as cursor,
    ):
        for statement in source.settings:
            cursor.execute(statement)
        for expression in expressions:
            if any(expression == refused for _, refused in source.refused):
                continue
            try:
                cursor.execute(f"SELECT {', '.join([expression, *beside])} {tail}")
            except pymysql.MySQLError:
                continue
            if not cursor.warning_count and is_readable(cursor):
                found.append(expression)
    return found


def is_readable(cursor: Any) -> bool:
    """Whether what is declared as text is text; the bytes of others are refused with `HEX(...)` as the remedy."""
    if cursor._result.fields[0].charsetnr == BINARY:
        return True
    try:
        for value, *_ in cursor.fetchall():
            (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def buffering(server: MySQLServer, shape: Shape) -> Iterator[None]:
    """Let new sessions put every result into a temporary table first."""
    if not shape.buffered:
        yield
        return
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL sql_buffer_result = 1")
        try:
            yield
        finally:
            cursor.execute("SET GLOBAL sql_buffer_result = 0")


@dataclass(frozen=True)
class Dataset:
    """What was published of one dataset.

    Attributes:
        types: each output's MySQL type as the files have it.
        parquet: rows as DuckDB reads them, decimals beyond its 38 digits as pyarrow does.
        texts: rows as the csv module reads them.
    """

    types: list[str]
    parquet: list[tuple[Any, ...]]
    texts: list[list[str]]


def export(source: Source, folder: Path, **keys: Any) -> Path:
    destination = Destination(FolderStore(folder), "", "run", TableEntry(name="t").options, folder / "temp", NoLock())
    request = ReadRequest(TableEntry.model_validate({"name": "t", **keys}), "2026-11-20", LOGICAL_TIME, ZONE)
    export_window(
        request, options_for(source.server, source.database), ("csv", "parquet"), destination, FailsOnWarning()
    )
    return folder / "t" / "2026-11-20"


def published(window: Path, dataset: str) -> Dataset:
    path = window / f"t.{dataset}.parquet"
    schema = pq.read_schema(path)
    narrow = [field.name for field in schema if not (pa.types.is_decimal(field.type) and field.type.precision > 38)]
    fields = [
        f"epoch_us({quote(name)})" if pa.types.is_timestamp(schema.field(name).type) else quote(name) for name in narrow
    ]
    cells = dict(
        zip(
            narrow,
            zip(
                *duckdb.connect().execute(f"SELECT {', '.join(fields)} FROM read_parquet(?)", [str(path)]).fetchall(),
                strict=True,
            ),
            strict=True,
        )
    )
    wide = [name for name in schema.names if name not in cells]
    cells |= {
        name: tuple(column.to_pylist())
        for name, column in zip(wide, pq.read_table(path, columns=wide).columns, strict=True)
    }
    text = (window / f"t.{dataset}.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows[0] == schema.names
    types = [field.metadata[b"mysql_type"].decode() for field in schema]
    return Dataset(types, list(zip(*(cells[name] for name in schema.names), strict=True)), rows[1:])


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def asked(expression: str, mysql_type: str) -> str:
    """How the client asks for an output: as it stands, but for the two types that do not come with all they hold."""
    if mysql_type.startswith("BIT("):
        return f"CAST({expression} AS UNSIGNED)"
    return f"({expression}) * 1e0" if mysql_type == "FLOAT" else expression


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


def differences(
    source: Source, window: Path, dataset: str, expressions: Sequence[str], tail: str, width: int
) -> list[str]:
    """Compare a published dataset, its first `width` outputs aside, with what the client is told; return what differs,
    in words.
    """
    found = published(window, dataset)
    types = found.types[width:]
    questions = [asked(expression, mysql_type) for expression, mysql_type in zip(expressions, types, strict=True)]
    expected = ask(source.server, source.database, [*source.settings, f"SELECT {', '.join(questions)} {tail}"])
    assert len(found.parquet) == len(found.texts) == len(expected) > 0
    wrong = []
    for row, (values, texts, sent) in enumerate(zip(found.parquet, found.texts, expected, strict=True)):
        for expression, mysql_type, value, text, cell in zip(
            expressions, types, values[width:], texts[width:], sent, strict=True
        ):
            if not is_value(mysql_type, value, cell):
                wrong.append(
                    f"row {row}: {expression} as {mysql_type}: Parquet has {str(value)[:60]!r}, the client"
                    f" {str(cell)[:60]}"
                )
            if not is_text(mysql_type, text, cell):
                wrong.append(
                    f"row {row}: {expression} as {mysql_type}: CSV has {text[:60]!r}, the client {str(cell)[:60]}"
                )
    return wrong


def details(source: Source, column: str, folder: Path) -> tuple[int, list[str]]:
    expressions = taken(source, [each.format(c=quoted(column)) for each in SCALARS], "FROM t")
    fields = [{"expr": expression, "alias": f"x{place}"} for place, expression in enumerate(expressions)]
    window = export(source, folder, select_fields=fields)
    return len(expressions), differences(source, window, "detail", expressions, "FROM t ORDER BY id", 0)


def figures(source: Source, column: str, shape: Shape, folder: Path) -> tuple[int, list[str]]:
    grouped = f"GROUP BY {shape.key}" if shape.key else ""
    named = {
        f"{SERVER_NAMES.get(name, name)}({quoted(column)})": name
        for name in FUNCTIONS
        if name not in ("COUNT DISTINCT", "GROUP_CONCAT")
    }
    written = [each.format(c=quoted(column)) for each in AGGREGATES]
    beside = taken(source, [each.format(c=quoted(column)) for each in shape.beside], f"FROM t {grouped}")
    expressions = [*taken(source, [*named, *written], f"FROM t {grouped}", beside), *beside]
    aggregations = [
        ({"function": named[expression], "field": column} if expression in named else {"expr": expression})
        | {"alias": f"x{place}"}
        for place, expression in enumerate(expressions)
    ]
    keys = {"group_by": [shape.key]} if shape.key else {}
    window = export(source, folder, aggregations=aggregations, **keys)
    order = f"{grouped} ORDER BY {shape.key}" if shape.key else ""
    return len(expressions), differences(source, window, "summary", expressions, f"FROM t {order}", len(keys))


def walk(
    source: Source, folder: Path, columns: Sequence[str], compare: Callable[[str, Path], tuple[int, list[str]]]
) -> None:
    taken_at_all, wrong = 0, []
    for column in columns:
        try:
            count, found = compare(column, folder / column)
        except PipelineError as error:
            count, found = 0, [f"{column}: {error}"]
        taken_at_all += count
        wrong += found
    # A server that refused nearly everything would please this test.
    assert taken_at_all > 10 * len(columns)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("columns", ["sample", pytest.param("all", marks=pytest.mark.slow)])
def test_every_type_in_every_function_comes_out_as_the_client_reads_it(source: Source, columns: str, tmp_path: Path):
    names = SAMPLE if columns == "sample" else tuple(source.types)
    walk(source, tmp_path, names, lambda column, folder: details(source, column, folder))


WALKS = [pytest.param(shape, "all", id=f"{name}, all", marks=pytest.mark.slow) for name, shape in SHAPES.items()]
SAMPLES = [
    pytest.param(SHAPES[name], "sample", id=f"{name}, sample") for name in ("one row", "groups by a temporary table")
]


@pytest.mark.parametrize(("shape", "columns"), [*SAMPLES, *WALKS])
def test_every_aggregate_of_every_type_comes_out_as_the_client_reads_it(
    source: Source, shape: Shape, columns: str, tmp_path: Path
):
    names = SAMPLE if columns == "sample" else tuple(source.types)
    with buffering(source.server, shape):
        walk(source, tmp_path, names, lambda column, folder: figures(source, column, shape, folder))


@pytest.mark.slow
def test_what_a_server_declares_too_narrow_is_refused_with_the_remedy(source: Source, tmp_path: Path):
    for place, (_, expression) in enumerate(source.refused):
        output = {"expr": expression, "alias": "x"}
        keys = {"aggregations": [output]} if re.search(r"MAX\(|AVG\(", expression) else {"select_fields": [output]}
        group_by = {"group_by": ["k"]} if "aggregations" in keys else {}
        with pytest.raises(SourceError, match=r"column 'x' sent a value that is no .*CAST\(\.\.\. AS"):
            export(source, tmp_path / str(place), **keys, **group_by)
