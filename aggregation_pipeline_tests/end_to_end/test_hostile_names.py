"""A name that MySQL accepts is refused when the file loads, or kept as it is in every format."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline_tests.end_to_end.comparing import unescaped
from aggregation_pipeline_tests.end_to_end.every_type import publish
from aggregation_pipeline_tests.support.servers.chosen import once
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

# What a table's own columns can be called, all in one table.
COLUMNS = (
    " blank", "\u3000宽", "名　称\u3000", "\u00a0nbsp", "a.b", "a`b", "``", "'", '"', "a'b\"c", "%", "%s", "%(x)s",
    "100%", ":x", "\\",
    "\\n", "a\\", "a\nb", "a\tb", "\x7f", "\u200b", "\ufeffbom", "é", "ß", "select", "group", "null", "current_date",
    "1", "1e5", "0x1F",
    "123abc", "o1", "grouped", "counted", "output 1", "t", "t.id", "f", "COUNT(*)", "x" * 64, "长" * 64, "ß" * 64,
    "x@y", "?", "{x}",
    "{{ x }}", "$", "x--", "#", "/*", "a;b", "a,b", "(", "*", "t.*", "名 称", "summary.x", "_x0041_",
)  # fmt: skip
# What only an alias can be.
ALIASES = ("🎉", "a🎉b", "x" * 256, "长" * 256, "🎉" * 256, "ß" * 200, "e\u0301x", "éx", "宽　字", "é" * 100)
REFUSED = (" a", "a ", "\u3000a", "a\u3000", "a\nb", "\x7f", "\u200b", "\ufeffa", "a\x00", "\ud800", "x" * 257, "")


def seen(folder: Path, dataset: str) -> dict[str, list[tuple[Any, Any]]]:
    """The names, and the first row's values, of a dataset in each format."""
    folder = folder / "t" / "2026-11-21"
    first = json.loads((folder / "t.json").read_text(encoding="utf-8"))[dataset][0]
    lines = list(csv.reader(io.StringIO((folder / f"t.{dataset}.csv").read_bytes().decode("utf-8-sig"), newline="")))
    rows = [
        list(row) for row in openpyxl.load_workbook(folder / "t.xlsx")[dataset].iter_rows(max_row=2, values_only=True)
    ]
    table = pq.read_table(folder / f"t.{dataset}.parquet")
    return {
        "json": list(first.items()),
        "csv": [(name, int(cell)) for name, cell in zip(lines[0], lines[1], strict=True)],
        "excel": [(unescaped(name), cell) for name, cell in zip(rows[0], rows[1], strict=True)],
        "parquet": [(name, column[0].as_py()) for name, column in zip(table.column_names, table.columns, strict=True)],
    }


def expect(folder: Path, names: Sequence[str], datasets: Sequence[str] = ("detail",)) -> None:
    """Each name stands over its own value, which is its place, from 1."""
    expected = [(name, place) for place, name in enumerate(names, start=1)]
    for dataset in datasets:
        for name, found in seen(folder, dataset).items():
            assert found == expected, f"{dataset} in {name}"


@pytest.mark.sample
@pytest.mark.parametrize("kind", ["INT", "FLOAT"])
def test_columns_of_any_name_come_out_under_it_by_star_and_by_name(mysql: MySQLServer, tmp_path: Path, kind: str):
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t ({', '.join(f'{quote(name)} {kind}' for name in COLUMNS)})")
        cursor.execute(f"INSERT INTO t VALUES ({', '.join(str(place) for place, _ in enumerate(COLUMNS, start=1))})")
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s ORDER BY ordinal_position",
            (database,),
        )
        assert tuple(row[0] for row in cursor.fetchall()) == COLUMNS
    publish(mysql, database, tmp_path / "star", name="t", select_fields=["*"])
    expect(tmp_path / "star", COLUMNS)
    named = [name for name in COLUMNS if not re.search("[\x00-\x1f\x7f]", name)]
    places = [COLUMNS.index(name) + 1 for name in named]
    publish(
        mysql,
        database,
        tmp_path / "named",
        name="t",
        select_fields=[quote(name) for name in named],
        group_by=[quote("a.b")],
    )
    for found in seen(tmp_path / "named", "detail").values():
        assert found == list(zip(named, places, strict=True))


@pytest.mark.sample
def test_aliases_of_any_name_come_out_under_it_in_both_datasets(mysql: MySQLServer, tmp_path: Path):
    names = [*(name for name in COLUMNS if name == name.strip() and name.isprintable()), *ALIASES]
    check_aliases(mysql, tmp_path, names)


def check_aliases(mysql: MySQLServer, folder: Path, names: Sequence[str]) -> None:
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, f FLOAT)")
        cursor.execute("INSERT INTO t VALUES (0, 0)")
    numbered = list(enumerate(names, start=1))
    # Each is a key of the summary, or a figure; some are FLOAT, whose outputs are written anew.
    half = len(names) // 2
    publish(
        mysql,
        database,
        folder,
        name="t",
        select_fields=[{"expr": f"{'f' if place % 2 else 'id'} + {place}", "alias": name} for place, name in numbered],
        group_by=[{"expr": f"id + {place}", "alias": name} for place, name in numbered[:half]],
        aggregations=[
            {"expr": f"MAX({'f' if place % 2 else 'id'}) + {place}", "alias": name} for place, name in numbered[half:]
        ],
        order_by=["id"],
    )
    expect(folder, names, ("detail", "summary"))


@settings(max_examples=200)
@given(st.text(max_size=12))
@example("a" * 257)
def test_an_alias_is_taken_or_refused_with_words(name: str):
    try:
        entry = TableEntry.model_validate({"name": "t", "selectFields": [{"expr": "id", "alias": name}]})
    except ValidationError as error:
        words = str(error)
        assert (
            "line ends or other unprintable characters, and without spaces around it" in words or "at most 256" in words
        )
        return
    assert entry.select_fields[0].name == name
    assert name not in REFUSED


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_names_that_no_reader_could_tell_apart_or_see_are_refused(name: str):
    with pytest.raises(ValidationError):
        TableEntry.model_validate({"name": "t", "selectFields": [{"expr": "id", "alias": name}]})


@pytest.mark.slow
def test_any_aliases_come_out_as_they_are(mysql: MySQLServer, tmp_path_factory: pytest.TempPathFactory):
    letters = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S"))
    # A text that a spreadsheet would run begins with ' in CSV, names too.
    name = st.text(letters, min_size=1, max_size=40).filter(lambda text: text[0] not in "=+-@")

    @settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.lists(name, min_size=2, max_size=20, unique_by=str.casefold))
    def check(names: list[str]):
        check_aliases(mysql, tmp_path_factory.mktemp("names"), names)

    check()


TABLES = (
    " a", "a.b", "a`b", "'", '"', "%s", ":x", "a/b", "\\", "é", "select", "1e5", "123", "o1", "grouped", "counted",
    "名　称", "{x}", "..",
)  # fmt: skip


@once
def test_a_table_of_any_name_is_read_with_its_own_key(mysql: MySQLServer, tmp_path: Path):
    database = mysql.fresh_database()
    other = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        for place, name in enumerate(TABLES, start=1):
            cursor.execute(f"CREATE TABLE {quote(name)} (k{place} INT PRIMARY KEY, v INT)")
            cursor.execute(f"INSERT INTO {quote(name)} VALUES ({place}, {place})")
        cursor.execute(f"CREATE DATABASE {quote(other + '.名　`%s`')}")
        cursor.execute(f"CREATE TABLE {quote(other + '.名　`%s`')}.`t` (k INT PRIMARY KEY)")
        cursor.execute(f"INSERT INTO {quote(other + '.名　`%s`')}.`t` VALUES (1)")
    for place, name in enumerate(TABLES, start=1):
        folder = tmp_path / str(place)
        exported = publish(
            mysql, database, folder, name="t", table=quote(name), select_fields=["*"], where=f"v = {place}"
        )
        assert [dataset.order for dataset in exported.manifest.datasets] == [f"primary key (k{place})"]
        assert seen(folder, "detail")["json"] == [(f"k{place}", place), ("v", place)]
    publish(mysql, database, tmp_path / "other", name="t", table=f"{quote(other + '.名　`%s`')}.t", select_fields=["*"])
    publish(mysql, other + ".名　`%s`", tmp_path / "own", name="t", select_fields=["*"])
    for there in ("other", "own"):
        expect(tmp_path / there, ["k"])
