"""Shards give what one table with all their rows gives: the same values, in the same types, in the same order."""

import random
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    ZONE,
    Read,
    ignore_progress,
    options_for,
    rows_of,
    run_on,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

# Each column with values that servers find equal although they differ, or that a union could change.
COLUMNS: Final = {
    "word VARCHAR(20)": ["'a'", "'A'", "'a '", "'b'", "''", "'x'", "'ss'", "'é'", "'E'", "NULL", "'漢'"],
    "fixed CHAR(4)": ["'a'", "'A'", "'b  '", "NULL"],
    "body TEXT": ["'a'", "'A'", "'long text'", "NULL"],
    "bytes VARBINARY(8)": ["'a'", "'A'", "0x00", "0x6100", "NULL"],
    "kind ENUM('z','a','m')": ["'z'", "'a'", "'m'", "NULL"],
    "flags SET('z','a','m')": ["'z'", "'a,z'", "''", "'m'", "NULL"],
    "tiny TINYINT": ["-1", "0", "127", "NULL"],
    "big BIGINT": ["9223372036854775807", "-9223372036854775808", "0", "NULL"],
    "huge BIGINT UNSIGNED": ["18446744073709551615", "0", "NULL"],
    "padded INT(5) ZEROFILL": ["42", "0", "NULL"],
    "price DECIMAL(10,3)": ["1.005", "-1.005", "0.000", "0.001", "9999999.999", "NULL"],
    "wide DECIMAL(60,20)": ["1e30", "-0.00000000000000000001", "3", "NULL"],
    "half DOUBLE": ["0.5", "-0.25", "0e0", "-0e0", "1e15", "NULL"],
    "single FLOAT": ["0.5", "16777216", "-2.25", "NULL"],
    "rounded FLOAT(10,2)": ["1.25", "1234.5", "NULL"],
    "day DATE": ["'2026-01-02'", "'0000-00-00'", "'2026-02-28'", "NULL"],
    "moment DATETIME(3)": ["'2026-01-02 03:04:05.678'", "'1000-01-01'", "NULL"],
    "instant TIMESTAMP NULL": ["'2026-01-02 03:04:05'", "'2026-07-02 03:04:05'", "NULL"],
    "span TIME": ["'-838:59:59'", "'00:00:01'", "'99:00:00'", "NULL"],
    "year_ YEAR": ["2026", "0", "1999", "NULL"],
    "bits BIT(9)": ["b'1'", "b'111111111'", "NULL"],
}
NAMES: Final = [definition.split()[0] for definition in COLUMNS]
SUMMED: Final = ["tiny", "big", "huge", "padded", "price", "wide", "half", "single", "rounded", "bits", "kind"]
SHARDS: Final = 3


COLUMNS_SQL: Final = ", ".join(COLUMNS)
NAMES_SQL: Final = ", ".join(["id", *NAMES])
Rows = Sequence[Sequence[str]]


def tables() -> list[str]:
    """The shards, and `whole` for the rows of all."""
    return [
        f"CREATE TABLE whole (id INT NOT NULL, shard VARCHAR(9) NOT NULL, {COLUMNS_SQL}, PRIMARY KEY (shard, id))",
        *(f"CREATE TABLE s_{shard} (id INT NOT NULL, {COLUMNS_SQL}, PRIMARY KEY (id))" for shard in range(SHARDS)),
    ]


def inserted(shards: Sequence[Rows]) -> Iterator[str]:
    """Fill the shards, and `whole` from them."""
    yield "SET sql_mode = ''"
    yield "DELETE FROM whole"
    for shard, rows in enumerate(shards):
        yield f"DELETE FROM s_{shard}"
        if rows:
            values = (f"({number}, {', '.join(row)})" for number, row in enumerate(rows))
            yield f"INSERT INTO s_{shard} ({NAMES_SQL}) VALUES {', '.join(values)}"
        yield f"INSERT INTO whole (shard, {NAMES_SQL}) SELECT 's_{shard}', {NAMES_SQL} FROM s_{shard}"


@pytest.fixture(scope="module")
def filled(mysql: MySQLServer) -> str:
    """A database of two shards with 40 rows each, and an empty one."""
    chance = random.Random(7)  # test data
    database = mysql.fresh_database()
    shards = [[[chance.choice(each) for each in COLUMNS.values()] for _ in range(rows)] for rows in (40, 40, 0)]
    run_on(mysql, database, [*tables(), *inserted(shards)])
    return database


def reader(mysql: MySQLServer, database: str, folder: Path) -> Read:
    def run(**keys: object) -> Extract:
        request = ReadRequest(TableEntry.model_validate(keys), "2026-11-21", LOGICAL_TIME, ZONE, "null")
        # Of its own, because a read replaces the files of the one before.
        place = Path(tempfile.mkdtemp(dir=folder))
        return read_extract(request, options_for(mysql, database), place, ignore_progress, pytest.fail)

    return run


@pytest.fixture
def read(mysql: MySQLServer, filled: str, tmp_path: Path) -> Read:
    return reader(mysql, filled, tmp_path)


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """A row in which texts that a collation may find equal are equal; which of them stands for a group is not fixed."""

    def plain(value: object) -> object:
        if isinstance(value, str):
            return unicodedata.normalize("NFD", value.rstrip(" ")).casefold().encode("ascii", "ignore")
        # Sums of DOUBLE depend on the order of addition.
        return float(f"{value:.12g}") + 0.0 if isinstance(value, float) else value

    return {name: plain(value) for name, value in row.items()}


def assert_same(sharded: Extract, whole: Extract, dataset: str) -> None:
    ours, theirs = (next(each for each in extract.datasets if each.name == dataset) for extract in (sharded, whole))
    # Without metadata: the name that a server gives a type depends on its plan too.
    assert ours.schema.equals(theirs.schema)
    rows = [list(map(comparable, rows_of(extract, dataset))) for extract in (sharded, whole)]
    first = ours.schema.names[0]
    assert [row[first] for row in rows[0]] == [row[first] for row in rows[1]]
    # MySQL 5.6 has a group of 0 and one of -0, in any order.
    for row, expected in zip(*(sorted(each, key=str) for each in rows), strict=True):
        assert {name: (row[name], value) for name, value in expected.items() if row[name] != value} == {}
    assert (ours.truncated, ours.zero_dates) == (theirs.truncated, theirs.zero_dates)


FIGURES: Final = [
    {"function": "COUNT", "alias": "n"},
    *({"function": function, "field": name} for name in NAMES for function in ("MIN", "MAX", "COUNT")),
    *({"function": function, "field": name} for name in SUMMED for function in ("SUM", "AVG")),
    {"expr": "ROUND(SUM(price) / COUNT(*), 2)", "alias": "ratio"},
    {"expr": "IF(COUNT(*) > 2, CONCAT(MAX(tiny), '/', COUNT(*)), AVG(price) * 3)", "alias": "mixed"},
    {"expr": "SUM(price * tiny) DIV COUNT(word)", "alias": "quotient"},
    {"expr": "DATEDIFF(MAX(moment), '2000-01-01')", "alias": "days"},
]
# Servers compute these with more digits than they show; of groups the digits depend on the plan.
DIVIDED: Final = [
    *({"function": function, "field": field} for field in ("price / 3", "tiny / 7") for function in ("SUM", "AVG")),
    {"expr": "ROUND(SUM(price / 7) * 100000, 3)", "alias": "scaled"},
]


@pytest.mark.sample
def test_figures_of_all_types_are_those_of_one_table(read: Read):
    figures = [*FIGURES, *DIVIDED]
    sharded, whole = (read(name="t", table=table, aggregations=figures) for table in ("s_{0..2}", "whole"))
    assert_same(sharded, whole, "summary")


@pytest.mark.parametrize("keys", [NAMES[:11], NAMES[11:]], ids=["texts and integers", "the rest"])
def test_groups_by_any_type_are_those_of_one_table(read: Read, keys: list[str]):
    figures = [{"function": "COUNT", "alias": "n"}, {"function": "AVG", "field": "price"}]
    for key in keys:
        sharded, whole = (
            read(name="t", table=table, group_by=[key], aggregations=figures) for table in ("s_{0..2}", "whole")
        )
        assert_same(sharded, whole, "summary")


def test_conditions_orders_and_limits_hold_over_all_shards(read: Read):
    keys: dict[str, Any] = {
        "name": "t",
        "group_by": ["kind", {"expr": "LOWER(word)", "alias": "w"}],
        "aggregations": [{"function": "SUM", "field": "price", "alias": "total"}],
        "having": "COUNT(*) > 1 AND total > 0 AND MAX(tiny) >= 0 AND kind <> 'x'",
        "select_fields": ["id", "kind", "instant", "half"],
        "order_by": ["kind DESC", "half", "instant", "CONCAT(word, 'x') DESC"],
        "where": "id < 30",
    }
    for limit in (None, 1, 7, 60, 10_000):
        sharded, whole = (read(table=table, limit=limit, **keys) for table in ("s_{0..2}", "whole"))
        assert_same(sharded, whole, "summary")
        ours, theirs = (rows_of(extract) for extract in (sharded, whole))
        terms = [[(row["kind"], row["half"], row["instant"]) for row in rows] for rows in (ours, theirs)]
        assert terms[0] == terms[1]
        assert [extract.datasets[1].truncated for extract in (sharded, whole)] == [limit in (1, 7)] * 2
    assert sharded.datasets[1].order.endswith("then primary key (id), then shard")


def test_rows_come_shard_after_shard_with_the_shards_names(read: Read):
    sharded = read(name="t", table=["s_0", "s_1", "s_2"], shard_column="shard", select_fields=["*"])
    whole = read(name="t", table="whole", select_fields=["shard", "id", *NAMES])
    assert [comparable(row) for row in rows_of(sharded)] == [comparable(row) for row in rows_of(whole)]
    assert sharded.datasets[0].schema.names == ["shard", "id", *NAMES]
    assert sharded.datasets[0].order == "shard, then primary key (id)"
    assert sharded.consistency == "snapshot"
    for limit in (1, 39, 40, 41, 79, 80, 81):
        cut = read(name="t", table="s_{0..2}", shard_column="shard", select_fields=["shard", "id"], limit=limit)
        expected = [(f"s_{shard}", number) for shard in range(2) for number in range(40)][:limit]
        assert [(row["shard"], row["id"]) for row in rows_of(cut)] == expected
        assert cut.datasets[0].truncated == (limit < 80)


def test_the_shards_name_can_be_a_key(read: Read):
    figures = [{"function": "COUNT", "alias": "n"}, {"function": "MAX", "field": "price"}]
    sharded, whole = (
        read(name="t", table=table, group_by=["shard", "kind"], aggregations=figures, **more)
        for table, more in (("s_{0..2}", {"shard_column": "shard"}), ("whole", {}))
    )
    assert list(map(comparable, rows_of(sharded, "summary"))) == list(map(comparable, rows_of(whole, "summary")))


ROW: Final = st.tuples(*(st.sampled_from(choices) for choices in COLUMNS.values()))


@pytest.mark.slow
def test_any_rows_in_any_shards_give_what_one_table_gives(mysql: MySQLServer, tmp_path: Path):
    database = mysql.fresh_database()
    run_on(mysql, database, tables())
    read_any = reader(mysql, database, tmp_path)

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(
        shards=st.lists(st.lists(ROW, max_size=6), min_size=SHARDS, max_size=SHARDS),
        keys=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    )
    def check(shards: list[Rows], keys: list[str]) -> None:
        run_on(mysql, database, list(inserted(shards)))
        sharded, whole = (
            read_any(name="t", table=table, group_by=keys, aggregations=FIGURES) for table in ("s_{0..2}", "whole")
        )
        assert_same(sharded, whole, "summary")

    check()
