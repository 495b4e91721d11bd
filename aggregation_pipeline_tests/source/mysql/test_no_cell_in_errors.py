"""No value of a cell appears in an error, its causes or a log, whatever the server quotes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest
from pymysql.cursors import Cursor

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.canaries import (
    CELLS,
    DIGITS_AMONG_CLOCKS,
    EXPRESSIONS,
    FUNCTIONS,
    TABLE,
    pieces_in,
)
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

NUMBERS = "7391937140873919371, 17391937140873919371, 7.3919371408e200, 73919371408739193714087391937140873919371.5"
INSERT = f"INSERT INTO t VALUES (%s, %s, {NUMBERS})"


@pytest.fixture
def hostile(mysql: MySQLServer, database: str) -> str:
    run_on(mysql, database, [TABLE, *FUNCTIONS])
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        for place, cell in enumerate(CELLS, start=1):
            cursor.execute(INSERT, (place, cell))
        connection.commit()
    return database


def raised(error: BaseException) -> Iterator[str]:
    """Everything that an error and those behind it say."""
    seen: list[BaseException | None] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or current in seen:
            continue
        seen.append(current)
        yield from (str(current), repr(current), repr(current.args), repr(vars(current)))
        waiting += [current.__cause__, current.__context__]


def entry_of(expression: str, place: str, *, cell: int | None) -> TableEntry:
    where = f"id = {cell}" if cell else "id > 0"
    if place == "where":
        return TableEntry.model_validate(
            {"name": "t", "select_fields": ["id"], "where": f"{where} AND ({expression}) IS NOT NULL"}
        )
    if place == "group_by":
        return TableEntry.model_validate(
            {"name": "t", "where": where, "group_by": [{"expr": expression, "alias": "x"}]}
        )
    return TableEntry.model_validate(
        {"name": "t", "where": where, "select_fields": ["id", {"expr": expression, "alias": "x"}]}
    )


def is_quoted(cursor: Cursor, expression: str) -> bool:
    """Whether the server itself, asked the plain way, quotes a cell in its errors or warnings."""
    said = ""
    try:
        cursor.execute(f"SELECT {expression} FROM t")
        cursor.fetchall()
    except pymysql.MySQLError as error:
        said = str(error)
    cursor.execute("SHOW WARNINGS")
    return bool(pieces_in(said + repr(cursor.fetchall())))


def read_all(
    server: MySQLServer, database: str, folder: Path, entries: Sequence[TableEntry], said: Callable[[str], None]
) -> list[PipelineError]:
    failures = []
    for entry in entries:
        request = ReadRequest(entry, "w", LOGICAL_TIME, ZONE)
        options = replace(options_for(server, database), stall_timeout=30)
        try:
            redact_errors(read_extract)(request, options, folder, ignore_progress, said, said)
        except PipelineError as error:
            failures.append(error)
            for text in raised(error):
                assert pieces_in(text) == [], (
                    f"{entry.model_dump(include={'select_fields', 'where', 'group_by'})}: {text}"
                )
    return failures


PLACES = ("select_fields", "where", "group_by")


def attack(
    server: MySQLServer, database: str, folder: Path, expressions: Sequence[str], entries: Sequence[TableEntry]
) -> None:
    """Without redaction a quarter of the expressions would leak; with it none does."""
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        quoting = [expression for expression in expressions if is_quoted(cursor, expression)]
    assert len(quoting) >= len(expressions) / 4
    said: list[str] = []
    assert len(read_all(server, database, folder, entries, said.append)) > len(entries) / 3
    assert pieces_in("\n".join(said)) == []


# What another server quotes is tried with the rest, below.
@on("mariadb")
def test_no_expression_brings_a_cell_into_an_error_or_a_log(
    mysql: MySQLServer,
    hostile: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    caplog.set_level(logging.DEBUG)
    some = EXPRESSIONS[::4]
    attack(mysql, hostile, tmp_path, some, [entry_of(expression, "select_fields", cell=None) for expression in some])
    assert pieces_in(caplog.text, digits=DIGITS_AMONG_CLOCKS) == []
    assert pieces_in("".join(capfd.readouterr()), digits=DIGITS_AMONG_CLOCKS) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_cell_gets_out_by_any_expression_in_any_place(mysql: MySQLServer, hostile: str, tmp_path: Path):
    whole = [entry_of(expression, place, cell=None) for expression in EXPRESSIONS for place in PLACES[:2]]
    # Each expression with four of the cells, in turn.
    cells = [(4 * number + turn) % len(CELLS) + 1 for number in range(len(EXPRESSIONS)) for turn in range(4)]
    single = [entry_of(EXPRESSIONS[number // 4], PLACES[number % 3], cell=cell) for number, cell in enumerate(cells)]
    attack(mysql, hostile, tmp_path, EXPRESSIONS, [*whole, *single])
