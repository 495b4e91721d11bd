"""The keys of `refresh` on real servers: what a run stores is what the sensor asks for, until the rows change."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.refresh_keys import read_keys
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.source.mysql.refreshed import DAYS, Table, changed, entry_of
from aggregation_pipeline_tests.support.reading import Execute, options_for
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CREATE = (
    "CREATE TABLE e (id INT PRIMARY KEY, dt DATETIME, d DATE, ts TIMESTAMP NULL, at TIMESTAMP(6) NULL, price"
    " DECIMAL(20,4), zero DATE, KEY (dt, at), KEY (d), KEY (ts))"
)
ROWS = (
    "INSERT INTO e VALUES"
    " (1, '2026-10-24 12:00:00', '2026-10-24', '2026-10-24 10:00:00', '2026-10-24 10:00:00.000001', 1.5, NULL),"
    " (2, '2026-10-25 02:30:00', '2026-10-25', '2026-10-25 00:30:00', '2026-10-25 00:30:00', 2.5, NULL),"
    " (3, '2026-10-25 02:30:00', '2026-10-25', '2026-10-25 01:30:00', '2026-10-25 01:30:00', 3.5, NULL),"
    " (4, '2026-10-25 23:59:59', '2026-10-25', '2026-10-25 22:59:59', '2026-10-25 22:59:59.999999', 0, NULL)"
)


@pytest.fixture
def table(mysql: MySQLServer, database: str, execute: Execute, tmp_path: Path) -> Table:
    execute(["SET time_zone = '+00:00'", "SET sql_mode = ''", CREATE, ROWS])
    return Table(mysql, database, tmp_path)


EVERYTHING = ("COUNT(*)", "MAX(at)", "MAX(ts)", "MIN(dt)", "SUM(price)", "MAX(zero)", "MAX(d)", "SUM(price) / 3e0")


@pytest.mark.parametrize(
    ("column", "every"),
    [pytest.param("dt", "day", marks=pytest.mark.sample), ("ts", "day"), ("d", "day"), ("dt", "hour"), ("ts", "hour")],
)
def test_the_sensor_is_told_what_runs_have_stored_on_the_day_that_has_an_hour_twice(
    table: Table, column: str, every: str
):
    entry = entry_of(EVERYTHING, column=column, every=every)
    ranges = table.ranges(entry, DAYS[1:2] if every == "hour" else DAYS)
    seen = table.seen_by_runs(entry, ranges)
    assert len(seen) == (25 if every == "hour" else 3)
    assert table.asked_for(entry, ranges) == seen
    # Of the hours three have rows; the others, and the last of the days, are empty and so have one key.
    assert len(set(seen.values())) == (3 if every == "day" else 4 if column == "ts" else 3)


def test_each_change_moves_the_key_of_its_partition_and_no_other(table: Table, execute: Execute):
    entry, latest = entry_of(EVERYTHING), entry_of("MAX(at)")
    ranges = table.ranges(entry, DAYS)
    for statements, days, noticed in (
        (["INSERT INTO e (id, dt, at) VALUES (5, '2026-10-26', '2026-10-26')"], DAYS[2:], True),
        # By a millionth of a second, by the last digit of a number, between the two half past two.
        (["UPDATE e SET at = '2026-10-24 10:00:00.000002' WHERE id = 1"], DAYS[:1], True),
        (["UPDATE e SET price = 1.5001, at = at WHERE id = 1"], DAYS[:1], False),
        (["UPDATE e SET ts = '2026-10-25 23:00:00', at = at WHERE id = 3"], DAYS[1:2], False),
        # From NULL to a date that no calendar has, and to another one.
        (["UPDATE e SET zero = '0000-00-00', at = at WHERE id = 2"], DAYS[1:2], False),
        (["UPDATE e SET zero = '2026-00-00', at = at WHERE id = 2"], DAYS[1:2], False),
        (["DELETE FROM e WHERE id = 2"], DAYS[1:2], False),
        (["UPDATE e SET dt = '2026-10-24 12:00:00', at = at WHERE id = 3"], DAYS[:2], False),
        (["UPDATE e SET price = price"], [], False),
    ):
        before, before_latest = table.asked_for(entry, ranges), table.asked_for(latest, ranges)
        execute(["SET time_zone = '+00:00'", "SET sql_mode = ''", *statements])
        assert changed(before, table.asked_for(entry, ranges)) == days, statements
        if noticed:
            assert changed(before_latest, table.asked_for(latest, ranges)) == days, statements


def test_rows_that_where_leaves_out_do_not_count_and_another_meaning_is_another_key(table: Table, execute: Execute):
    entry = entry_of("COUNT(*)", where="price > 1 OR price IS NULL")
    ranges = table.ranges(entry, DAYS)
    before = table.asked_for(entry, ranges)
    execute("INSERT INTO e (id, dt, price) VALUES (6, '2026-10-24', 0.5)")
    assert table.asked_for(entry, ranges) == before
    for other in (entry_of("COUNT(*)", where="price > 2"), entry_of("COUNT(1)", where=entry.where)):
        after = table.asked_for(other, ranges)
        assert {key.split()[0] for key in after.values()}.isdisjoint(key.split()[0] for key in before.values())


@pytest.mark.sample
def test_nothing_is_scanned_without_an_index_unless_the_entry_allows_it(table: Table, execute: Execute):
    execute("ALTER TABLE e DROP KEY dt")
    refused = entry_of("COUNT(*)")
    with pytest.raises(
        SourceError,
        match=(
            r"^refresh\.key: no index leads to the rows of a partition by dt, so the server would read all of e for"
            r" each window, every 1h\. Give it an index that begins with dt.*refresh\.allow_scan: true"
        ),
    ):
        table.asked_for(refused, table.ranges(refused, DAYS))
    allowed = entry_of("COUNT(*)", scanned=True)
    assert len(table.asked_for(allowed, table.ranges(allowed, DAYS))) == 3


def test_a_wrong_column_is_named_with_its_key_whoever_asks(table: Table):
    entry = entry_of("MAX(updated)")
    ranges = table.ranges(entry, DAYS)
    for ask in (table.asked_for, table.seen_by_runs):
        with pytest.raises(SourceError, match=r"refresh\.key.*updated"):
            ask(entry, ranges)


def test_a_value_that_the_server_warns_about_is_no_key(table: Table, execute: Execute):
    execute(["ALTER TABLE e ADD note VARCHAR(20)", "UPDATE e SET note = '12 apples'"])
    entry = entry_of("SUM(note + 0)")
    with pytest.raises(SourceError, match=r"^refresh\.key: .*warned") as raised:
        table.asked_for(entry, table.ranges(entry, DAYS))
    assert "apples" not in str(raised.value)


def test_four_hundred_hours_are_one_statement(table: Table, execute: Execute):
    entry = entry_of(("COUNT(*)", "MAX(at)"), every="hour")
    days = [f"2026-10-{day}" for day in range(24, 32)] + [f"2026-11-0{day}" for day in range(1, 10)]
    ranges = table.ranges(entry, days)
    assert len(ranges) > 400
    before = table.asked_for(entry, ranges)
    execute("INSERT INTO e (id, dt) VALUES (7, '2026-11-03 04:05:06')")
    assert changed(before, table.asked_for(entry, ranges)) == ["2026-11-03-04:00"]


@on("mariadb", "mysql56")
def test_a_statement_that_takes_too_long_is_given_up(table: Table, execute: Execute):
    execute(["CREATE TABLE many (id INT PRIMARY KEY AUTO_INCREMENT, n INT)", "INSERT INTO many (n) VALUES (1)"])
    execute(["INSERT INTO many (n) SELECT n FROM many"] * 11)
    entry = entry_of("SUM((SELECT COUNT(*) FROM many a JOIN many b JOIN many c WHERE a.n + b.n + c.n + e.id > 0))")
    sample = ReadRequest(entry, "", datetime(2026, 7, 1, tzinfo=UTC), ZoneInfo("UTC"))
    with pytest.raises((SourceError, SourceLostError), match=re.compile("^refresh.key")):
        read_keys(
            entry, table.ranges(entry, DAYS), options_for(table.server, table.database), seconds=1, zone_of=sample
        )
