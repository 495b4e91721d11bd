"""A partition on real servers: the rows of its time range and no others."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.partition_condition import time_range_condition
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.reading import ignore_progress, options_for

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = (datetime(2026, 11, 19, 16, tzinfo=UTC), datetime(2026, 11, 20, 16, tzinfo=UTC))


def window(column: str, zone: str = "Asia/Shanghai") -> TimeRange:
    return TimeRange("2026-11-20", column, *DAY, ZoneInfo(zone))


@pytest.fixture
def ids(mysql, database, execute, tmp_path):
    execute(
        [
            (
                "CREATE TABLE e (id INT PRIMARY KEY, dt DATETIME(6), utc DATETIME, d DATE, ts TIMESTAMP NULL, n INT,"
                " KEY (dt))"
            ),
            "SET time_zone = '+00:00'",
            (
                "INSERT INTO e VALUES"
                " (1, '2026-11-19 23:59:59.999999', '2026-11-19 15:59:59', '2026-11-19', '2026-11-19 15:59:59', 1),"
                " (2, '2026-11-20 00:00:00', '2026-11-19 16:00:00', '2026-11-20', '2026-11-19 16:00:00', 1),"
                " (3, '2026-11-20 23:59:59.999999', '2026-11-20 15:59:59', '2026-11-20', '2026-11-20 15:59:59', 1),"
                " (4, '2026-11-21 00:00:00', '2026-11-20 16:00:00', '2026-11-21', '2026-11-20 16:00:00', 1),"
                " (5, NULL, NULL, NULL, NULL, 1)"
            ),
        ]
    )

    def run(partition: TimeRange, zone: ZoneInfo = SHANGHAI, /, **keys: object) -> list[int]:
        entry = TableEntry.model_validate({"name": "e", "select_fields": ["id"], **keys})
        request = ReadRequest(entry, partition.key, DAY[1], zone, partition=partition)
        extract = read_extract(request, options_for(mysql, database), tmp_path, ignore_progress)
        found: list[int] = pq.read_table(extract.datasets[-1].path)["id"].to_pylist()
        return found

    return run


@pytest.mark.parametrize("column", ["dt", "d", "ts"])
def test_a_day_has_its_own_rows_and_no_others(ids, column):
    assert ids(window(column)) == [2, 3]


def test_a_datetime_that_holds_utc_is_cut_by_the_days_of_another_zone(ids):
    assert ids(window("utc", "UTC")) == [2, 3]


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kathmandu"])
def test_a_timestamp_is_right_whatever_zone_the_session_is_in(ids, zone):
    assert ids(window("ts", zone), ZoneInfo(zone)) == [2, 3]


def test_the_entrys_own_condition_and_an_alias_of_the_columns_name_change_nothing(ids):
    fields = ["id", {"expr": "DATE_ADD(dt, INTERVAL 9 DAY)", "alias": "dt"}]
    assert ids(window("dt"), select_fields=fields, where="id = 3 OR id = 4") == [3]


@pytest.mark.parametrize(
    ("column", "words"), [("n", "n is of the type INT"), ("created", "created is not in it; its columns are id, dt")]
)
def test_a_column_that_cannot_cut_the_table_is_refused(ids, column, words):
    with pytest.raises(SourceError, match=words):
        ids(window(column))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"every": "hour"},
            r"partition\.every: d is a DATE, and a day has no hours.*every: day, or name a DATETIME or TIMESTAMP",
        ),
        (
            {"every": "day", "column_timezone": "UTC"},
            r"partition\.column_timezone: d is a DATE.*Leave column_timezone out",
        ),
    ],
)
def test_a_date_has_neither_hours_nor_a_zone(ids, keys, words):
    with pytest.raises(SourceError, match=words):
        ids(window("d"), partition={"column": "d", "start": "2026-01-01", **keys})


def test_days_of_a_date_are_those_of_the_calendar_west_of_greenwich_too(ids):
    new_york = ZoneInfo("America/New_York")
    day = TimeRange(
        "2026-11-20", "d", datetime(2026, 11, 20, 5, tzinfo=UTC), datetime(2026, 11, 21, 5, tzinfo=UTC), new_york
    )
    assert ids(day, new_york) == [2, 3]


@pytest.mark.parametrize(
    ("zone", "start"), [("Europe/Berlin", "2026-03-30T02:00+00:00"), ("Atlantic/Azores", "2026-03-30T00:00+00:00")]
)
def test_the_range_for_the_index_names_no_hour_that_does_not_exist(zone, start):
    begin = datetime.fromisoformat(start)
    named = Clock(ZoneInfo(zone), None)
    for hours in range(-72, 72):
        one = begin + timedelta(hours=hours)
        predicate = time_range_condition(
            TimeRange("w", "t", one, one + timedelta(hours=1), UTC), "e", "timestamp", named
        )
        for text in re.findall(r"'([^']+)'", predicate):
            local = datetime.fromisoformat(text).replace(tzinfo=named.zone)
            assert local.astimezone(UTC).astimezone(named.zone).replace(tzinfo=None) == local.replace(tzinfo=None), text


def test_both_datasets_and_the_count_carry_the_window_and_the_column_stays_bare_for_its_index():
    entry = TableEntry(name="e", group_by=("n",), select_fields=("id",), where="n = 1 OR n = 2", limit=5)
    summary, detail = build_queries(
        entry,
        primary_key=["id"],
        condition=time_range_condition(window("dt"), "e", "datetime", Clock(SHANGHAI, 8 * 3600)),
    )
    where = "WHERE `e`.`dt` >= '2026-11-20 00:00:00' AND `e`.`dt` < '2026-11-21 00:00:00' AND (n = 1 OR n = 2)"
    assert where in summary.sql
    assert where in detail.sql
    assert where in str(detail.count_sql)
