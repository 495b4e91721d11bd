"""Every type in every function, with and without a temporary table: the files say what another client reads.

What a server declares often differs from what it sends: `MAX(paid)` of a BIT came as bytes or as digits, depending on
the other outputs. So the expressions are generated: each column type is put into each function. Whatever a server
accepts without a warning is exported and compared with what the `mariadb` command prints, which shares no code with the
driver.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from aggregation_pipeline.config.columns import FUNCTIONS
from aggregation_pipeline.errors import PipelineError, SourceError
from aggregation_pipeline_tests.end_to_end.client_values import is_text, is_value
from aggregation_pipeline_tests.end_to_end.every_type import quoted
from aggregation_pipeline_tests.end_to_end.published_datasets import Source, export, published
from aggregation_pipeline_tests.support.every_expression import (
    AGGREGATES,
    GROUPS,
    SAMPLE,
    SCALARS,
    TEMPORARY,
    TYPES,
)
from aggregation_pipeline_tests.support.servers.chosen import once
from aggregation_pipeline_tests.support.servers.client import ask
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.packets import BINARY

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


def accepted_by_server(source: Source, expressions: Sequence[str], tail: str, beside: Sequence[str] = ()) -> list[str]:
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


def exact_form(expression: str, mysql_type: str) -> str:
    """How the client asks for an output: as it stands, but for the two types that do not come with all they hold."""
    if mysql_type.startswith("BIT("):
        return f"CAST({expression} AS UNSIGNED)"
    return f"({expression}) * 1e0" if mysql_type == "FLOAT" else expression


def differences(
    source: Source, window: Path, dataset: str, expressions: Sequence[str], tail: str, width: int
) -> list[str]:
    """Compare a published dataset without its first `width` outputs with the client's rows; return the differences."""
    found = published(window, dataset)
    types = found.types[width:]
    questions = [exact_form(expression, mysql_type) for expression, mysql_type in zip(expressions, types, strict=True)]
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
    expressions = accepted_by_server(source, [each.format(c=quoted(column)) for each in SCALARS], "FROM t")
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
    beside = accepted_by_server(source, [each.format(c=quoted(column)) for each in shape.beside], f"FROM t {grouped}")
    expressions = [*accepted_by_server(source, [*named, *written], f"FROM t {grouped}", beside), *beside]
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


@pytest.mark.parametrize("columns", ["sample", pytest.param("all", marks=[pytest.mark.slow, pytest.mark.soak])])
def test_every_type_in_every_function_comes_out_as_the_client_reads_it(source: Source, columns: str, tmp_path: Path):
    names = SAMPLE if columns == "sample" else tuple(source.types)
    walk(source, tmp_path, names, lambda column, folder: details(source, column, folder))


SAMPLED = "groups by a temporary table"
WALKS = [
    pytest.param(
        shape, "all", id=f"{name}, all", marks=[pytest.mark.slow, *([] if name == SAMPLED else [pytest.mark.soak])]
    )
    for name, shape in SHAPES.items()
]
SAMPLE_WALK = pytest.param(SHAPES[SAMPLED], "sample", id=f"{SAMPLED}, sample")


@once
@pytest.mark.parametrize(("shape", "columns"), [SAMPLE_WALK, *WALKS])
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
        with pytest.raises(
            SourceError, match=r"column 'x' sent a value that is not of its declared type .*CAST\(\.\.\. AS"
        ):
            export(source, tmp_path / str(place), **keys, **group_by)
