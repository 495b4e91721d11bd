"""Dates that no calendar has: one rule for every type, expression and server."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Read, ignore_progress, options_for, rows_of
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

ODD = (
    "2026-02-30",
    "2025-02-29",
    "2026-04-31",
    "0000-00-00",
    "2026-00-15",
    "2026-05-00",
    "0000-05-05",
    "0000-12-31",
    "0000-02-29",
)
REAL = ("0001-01-01", "1000-01-01", "1900-03-01", "2024-02-29", "2026-01-01", "9999-12-31")
CLOCK = "01:02:03"


@pytest.fixture(scope="module")
def calendar(mysql: MySQLServer) -> tuple[MySQLServer, str]:
    """A server with the table `days`: invalid and valid days as DATE, DATETIME, DATETIME(6) and TIMESTAMP."""
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+08:00'")
        cursor.execute(
            "CREATE TABLE days (id INT PRIMARY KEY, s VARCHAR(10), d DATE, m DATETIME, m6 DATETIME(6),"
            " t TIMESTAMP NULL, t3 TIMESTAMP(3) NULL)"
        )
        rows = [
            f"({n}, '{day}', '{day}', '{day} {CLOCK}', '{day} {CLOCK}.000004', NULL, NULL)"
            for n, day in enumerate(ODD + REAL)
        ]
        stamps = [
            "(90, 'x', NULL, NULL, NULL, '0000-00-00', '0000-00-00')",
            "(91, 'x', NULL, NULL, NULL, '2026-01-01', '2026-01-01')",
        ]
        cursor.execute(f"INSERT INTO days VALUES {', '.join(rows + stamps)}")
    return mysql, database


@pytest.fixture
def read(calendar: tuple[MySQLServer, str], tmp_path: Path) -> Read:
    server, database = calendar

    def run(zero_dates: Any = "null", **keys: object) -> Extract:
        request = ReadRequest(TableEntry.model_validate({"name": "days"} | keys), "w", LOGICAL_TIME, ZONE, zero_dates)
        return read_extract(request, options_for(server, database), tmp_path, ignore_progress)

    return run


@pytest.mark.sample
def test_null_makes_every_odd_day_null_and_keeps_every_real_one(read: Read):
    extract = read(selectFields=["*"])
    rows = rows_of(extract)
    dates = [row["d"] for row in rows[:-2]]
    assert dates == [None] * len(ODD) + [dt.date.fromisoformat(day) for day in REAL]
    moments = [None if day is None else dt.datetime.combine(day, dt.time(1, 2, 3)) for day in dates]
    assert [row["m"] for row in rows[:-2]] == moments
    assert [row["m6"] for row in rows[:-2]] == [moment and moment.replace(microsecond=4) for moment in moments]
    assert [rows[-2]["t"], rows[-2]["t3"]] == [None, None]
    assert rows[-1]["t"] == rows[-1]["t3"] == dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    assert extract.datasets[0].zero_dates == {"d": len(ODD), "m": len(ODD), "m6": len(ODD), "t": 1, "t3": 1}


@pytest.mark.sample
def test_text_keeps_what_the_server_says_of_all_days(read: Read):
    rows = rows_of(read("text", selectFields=["*"]))
    assert [row["d"] for row in rows[:-2]] == [*ODD, *REAL]
    assert [row["m6"] for row in rows[:-2]] == [f"{day} {CLOCK}.000004" for day in ODD + REAL]
    assert [(row["t"], row["t3"]) for row in rows[-2:]] == [
        ("0000-00-00 00:00:00", "0000-00-00 00:00:00.000"),
        ("2026-01-01 00:00:00", "2026-01-01 00:00:00.000"),
    ]


@pytest.mark.parametrize(("column", "number"), [*(("d", number) for number in range(len(ODD))), ("m", 0), ("m6", 6)])
def test_error_stops_at_any_odd_day_and_names_the_option_and_not_the_day(read: Read, column: str, number: int):
    with pytest.raises(
        SourceError, match=r"holds dates that no calendar has .*`zeroDates: error`.* to null.* to text"
    ) as raised:
        read("error", selectFields=["id", column], where=f"id = {number}")
    assert f"column {column!r}" in str(raised.value)
    assert CLOCK not in str(raised.value)


def test_error_lets_real_days_pass(read: Read):
    rows = rows_of(read("error", selectFields=["d"], where=f"id >= {len(ODD)} AND id < 90"))
    assert [str(row["d"]) for row in rows] == list(REAL)


def test_figures_and_expressions_follow_the_rule(read: Read):
    extract = read(
        aggregations=[
            {"function": "MIN", "field": "d", "alias": "first"},
            {"function": "MAX", "field": "m", "alias": "last"},
            {"function": "MIN", "field": "m6", "alias": "first6"},
            {"expr": "COALESCE(MIN(d), MAX(d))", "alias": "some"},
        ],
        where="s <> 'x'",
    )
    (row,) = rows_of(extract, "summary")
    assert row == {
        "first": None,
        "last": dt.datetime.fromisoformat("9999-12-31 01:02:03"),
        "first6": None,
        "some": None,
    }
    assert extract.datasets[0].zero_dates == dict.fromkeys(["first", "first6", "some"], 1)
    detail = read(
        selectFields=[
            {"expr": "STR_TO_DATE(s, '%Y-%m-%d')", "alias": "parsed"},
            {"expr": "CAST(d AS DATETIME)", "alias": "cast"},
        ],
        where="s <> 'x'",
    )
    days = [dt.date.fromisoformat(day) for day in REAL]
    assert [row["parsed"] for row in rows_of(detail)] == [*[None] * len(ODD), *days]
    assert [row["cast"] for row in rows_of(detail)] == [
        *[None] * len(ODD),
        *(dt.datetime.combine(day, dt.time()) for day in days),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "FROM_DAYS(3652425)",  # 10000-01-01 on MySQL 5.6
        "ADDTIME(CAST('9999-12-31 23:59:59' AS DATETIME), '00:00:01')",  # :000-01-01 there
        "CAST('0001-01-01' AS DATE) - INTERVAL 1 DAY",
        "FROM_DAYS(1)",
        "LAST_DAY('0000-01-05')",
    ],
)
def test_years_before_1_and_after_9999_that_an_expression_gives_are_no_days(read: Read, expression: str):
    try:
        extract = read(selectFields=[{"expr": expression, "alias": "e"}], where="id = 0")
    except SourceError as error:
        assert "the server warned about the result" in str(error)  # noqa: PT017 - MariaDB knows of the overflow by itself
        return
    # NULL all the same where the server gives NULL by itself.
    assert rows_of(extract) == [{"e": None}]
    assert set(extract.datasets[0].zero_dates) <= {"e"}


@pytest.mark.sample
def test_each_odd_day_stays_a_group_of_its_own(read: Read):
    extract = read(groupBy=["d"], aggregations=[{"function": "COUNT", "alias": "n"}], where="s <> 'x'")
    assert [row["n"] for row in rows_of(extract, "summary")] == [1] * len(ODD + REAL)
    assert [row["d"] for row in rows_of(extract, "summary")].count(None) == len(ODD)


@pytest.mark.parametrize("rule", ["hash", "partial"])
def test_masks_hide_real_days_and_know_the_rule(read: Read, rule: str):
    keys: Mapping[str, Any] = {"selectFields": ["id", "d"], "mask": {"d": rule}, "where": "s <> 'x'"}
    extract = read(**keys)
    masked = [row["d"] for row in rows_of(extract)]
    assert masked[: len(ODD)] == [None] * len(ODD)
    assert all(text and "-" not in text for text in masked[len(ODD) :])
    assert extract.datasets[0].zero_dates == {"d": len(ODD)}
    assert None not in [row["d"] for row in rows_of(read("text", **keys))]
    with pytest.raises(SourceError, match="zeroDates: error"):
        read("error", **keys)


def test_an_expression_that_only_says_that_it_is_a_date_is_no_odd_day():
    zero_dates = ZeroDates("null")
    with pytest.raises(SourceError, match=r"column 'x' sent a value that is no date, .*CAST\(x AS CHAR\)"):
        zero_dates.read("x", pa.array(["12:34:56", "0000-00-00"]), pa.date32())
    # A real day with a time is not to be lost as an odd one.
    with pytest.raises(SourceError, match="no date"):
        zero_dates.read("x", pa.array(["2026-01-01 00:00:00"]), pa.date32())
    with pytest.raises(SourceError, match="no date and time"):
        zero_dates.read("x", pa.array(["2026-01-01 24:00:00"]), pa.timestamp("us"))


@given(
    days=st.lists(
        st.none()
        | st.tuples(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)).map(
            lambda d: "{:04}-{:02}-{:02}".format(*d)
        )
    ),
    kind=st.sampled_from([pa.date32(), pa.timestamp("us")]),
)
def test_a_day_is_odd_exactly_where_python_has_none(days: list[str | None], kind: pa.DataType):
    def expected(day: str | None) -> dt.date | dt.datetime | None:
        try:
            return None if day is None else (dt.date if pa.types.is_date(kind) else dt.datetime).fromisoformat(day)
        except ValueError:
            return None

    zero_dates = ZeroDates("null")
    clock = "" if pa.types.is_date(kind) else " 00:00:00"
    texts = pa.array([day and day + clock for day in days], pa.string())
    values = zero_dates.read("d", texts, kind)
    assert values.to_pylist() == [expected(day) for day in days]
    assert zero_dates.counts.get("d", 0) == values.null_count - texts.null_count
