"""Clock readings of instants are right all year round, with and without named zones on the server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.instants import (
    BERLIN,
    ROWS,
    SHANGHAI,
    SUMMER,
    TWICE,
    WINTER,
    instants,
    on_servers_with_names,
)
from aggregation_pipeline_tests.support.reading import ignore_progress, options_for


@pytest.mark.sample
@pytest.mark.parametrize("moment", [WINTER, SUMMER])
@pytest.mark.parametrize("zone", [BERLIN, SHANGHAI, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Kiritimati")])
def test_instants_stay_instants_on_every_server_whenever_the_run_is(reading, events, zone, moment):
    found = reading(
        zone,
        moment,
        select_fields=["id", "t", "t6"],
        group_by=["t"],
        aggregations=[
            {"function": "COUNT", "alias": "n"},
            {"expr": "MAX(t6)", "alias": "last"},
            {"function": "COUNT DISTINCT", "field": "t", "alias": "d"},
        ],
        where="t IS NOT NULL",
    )
    assert instants(found["detail"]) == ROWS
    assert instants(found["detail"], "t6") == [at + timedelta(milliseconds=250) for at in ROWS]
    assert instants(found["summary"]) == sorted(ROWS)
    assert [(row["n"], row["d"]) for row in found["summary"]] == [(1, 1)] * 5


@pytest.mark.sample
@pytest.mark.parametrize("moment", [WINTER, SUMMER])
def test_days_of_instants_are_those_of_the_zone_all_year_round(mysql, reading, events, moment):
    days = {"group_by": [{"expr": "DATE(t)", "alias": "day"}], "aggregations": [{"function": "COUNT", "alias": "n"}]}
    if mysql.name == "seekdb":
        with pytest.raises(
            SourceError,
            match=r"group_by\[0\]: \(DATE\(t\)\) converts instants to the clock of Europe/Berlin.*"
            "does not know the time zone",
        ):
            reading(BERLIN, moment, **days)
        return
    found = reading(
        BERLIN,
        moment,
        **days,
        select_fields=[
            "id",
            "t",
            {"expr": "HOUR(t)", "alias": "hour"},
            {"expr": "CONCAT(t)", "alias": "text"},
            {"expr": "FROM_UNIXTIME(n)", "alias": "u"},
        ],
    )
    assert [(str(row["day"]), row["n"]) for row in found["summary"]] == [
        ("2026-01-15", 1),
        ("2026-07-15", 1),
        ("2026-07-16", 1),
        ("2026-10-25", 2),
    ]
    assert instants(found["detail"]) == ROWS
    assert [row["hour"] for row in found["detail"]] == [13, 14, 0, 2, 2]
    assert [row["text"] for row in found["detail"]] == [
        at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S") for at in ROWS
    ]
    assert [row["u"] for row in found["detail"]] == [at.astimezone(BERLIN).replace(tzinfo=None) for at in ROWS]


@pytest.mark.sample
@on_servers_with_names
def test_in_the_hour_that_comes_twice_no_instant_is_lost_in_a_named_zone(reading, events):
    hour = [
        TimeRange(f"h{n}", "t", at.replace(minute=0), at.replace(minute=0) + timedelta(hours=1), BERLIN)
        for n, at in enumerate(TWICE)
    ]
    for window, at in zip(hour, TWICE, strict=True):
        found = reading(
            window=window,
            group_by=["t", {"expr": "HOUR(t)", "alias": "hour"}],
            aggregations=[
                {"function": "MAX", "field": "t", "alias": "last"},
                {"expr": "min( `ev`.`t6` )", "alias": "first"},
                {"function": "COUNT DISTINCT", "field": "t", "alias": "d"},
            ],
            select_fields=["*"],
        )
        assert instants(found["detail"]) == instants(found["summary"]) == instants(found["summary"], "last") == [at]
        assert instants(found["summary"], "first") == [at + timedelta(milliseconds=250)]
        assert found["summary"][0]["d"] == 1
    both = reading(
        aggregations=[
            {"function": "COUNT DISTINCT", "field": "t", "alias": "d"},
            {"function": "MAX", "field": "t"},
            {"expr": "GROUP_CONCAT(DISTINCT YEAR(t))", "alias": "years"},
        ]
    )
    assert both["summary"] == [{"d": 5, "MAX(t)": TWICE[1].astimezone(BERLIN), "years": "2026"}]


@pytest.mark.sample
def test_summer_time_of_1988_in_shanghai(mysql, reading, execute):
    execute(
        [
            "SET time_zone = '+00:00'",
            "CREATE TABLE ev (id INT PRIMARY KEY, born TIMESTAMP NULL, paid TIMESTAMP NULL)",
            "INSERT INTO ev VALUES (1, '1988-06-14 15:00:00', '2026-06-14 16:00:00')",
        ]
    )
    assert reading(SHANGHAI, select_fields=["born"])["detail"] == [{"born": datetime(1988, 6, 15, tzinfo=SHANGHAI)}]
    birthdays = [{"expr": "DATE(born)", "alias": "day"}]
    if mysql.name != "seekdb":
        assert str(reading(SHANGHAI, select_fields=birthdays)["detail"][0]["day"]) == "1988-06-15"
    else:
        with pytest.raises(SourceError, match=r"from 1988-06-14 to 1988-06-14"):
            reading(SHANGHAI, select_fields=[*birthdays, {"expr": "NOW()", "alias": "now"}])
    # Since 1991 one offset holds, and no name is needed.
    assert (
        str(reading(SHANGHAI, select_fields=[{"expr": "DATE(paid)", "alias": "day"}])["detail"][0]["day"])
        == "2026-06-15"
    )


def test_without_a_name_one_offset_serves_as_far_as_it_holds(reading, events, nameless):
    summer = TimeRange(
        "2026-07", "t", datetime(2026, 6, 30, 22, tzinfo=UTC), datetime(2026, 7, 31, 22, tzinfo=UTC), BERLIN
    )
    days = {"select_fields": ["id", "t", {"expr": "DATE(t)", "alias": "day"}]}
    found = reading(BERLIN, WINTER, summer, **days)["detail"]
    assert [(row["id"], str(row["day"])) for row in found] == [(2, "2026-07-15"), (3, "2026-07-16")]
    assert instants(found) == ROWS[1:3]
    with pytest.raises(
        SourceError, match=r"from 2026-01-15 to 2026-10-25.*Europe/Berlin has several offsets.*tzinfo.to.sql"
    ):
        reading(BERLIN, WINTER, **days)
    with pytest.raises(SourceError, match="several offsets"):
        reading(BERLIN, WINTER, summer, select_fields=[*days["select_fields"], {"expr": "NOW()", "alias": "now"}])
    found = reading(BERLIN, SUMMER, summer, select_fields=["id"], where="t < NOW() + INTERVAL 60 DAY")["detail"]
    assert [row["id"] for row in found] == [2, 3]


def test_what_is_inside_a_view_is_noted_where_no_name_is_to_be_had(extract, reading, events, nameless, execute):
    execute("CREATE VIEW v AS SELECT id, t, DATE(t) AS day FROM ev")
    found = extract(BERLIN, WINTER, table="v", select_fields=["id", "t"], order_by=["id"])
    (note,) = found.notes
    assert note.startswith(
        "instants that the view `v` converts are shown at UTC+01:00 all year round: the server's"
        " time zone tables differ from tzdata for Europe/Berlin, around 2026-03-29. Load the server's time zone"
        " tables ("
    )
    assert instants(pq.read_table(found.datasets[0].path).to_pylist()) == ROWS


def test_a_server_that_still_has_a_summer_time_that_was_given_up_is_not_trusted(mysql56, server_folder, tmp_path):
    """Tables of before 2022, on a server of this test's own: Mexico City has summer time for ever."""
    from aggregation_pipeline_tests.support.servers.mysql56 import start_mysql56

    server = start_mysql56(server_folder / "mexico")
    try:
        old = replace(mysql56, unix_socket=str(server.socket))
        with old.connect(database="mysql") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT Time_zone_id FROM time_zone_name WHERE Name = 'America/Mexico_City'")
            ((number,),) = cursor.fetchall()
            cursor.execute(
                "SELECT `Offset`, Transition_type_id FROM time_zone_transition_type WHERE Time_zone_id = %s", (number,)
            )
            types = dict(cursor.fetchall())
            for year in range(2024, 2030):
                spring, autumn = (
                    datetime(year, 4, 5, 8, tzinfo=UTC).timestamp(),
                    datetime(year, 10, 25, 7, tzinfo=UTC).timestamp(),
                )
                changes = [(number, spring, types[-18000]), (number, autumn, types[-21600])]
                cursor.executemany("INSERT INTO time_zone_transition VALUES (%s, %s, %s)", changes)
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute("CREATE TABLE shop.ev (id INT PRIMARY KEY, t TIMESTAMP NULL)")
            cursor.execute("INSERT INTO shop.ev VALUES (1, '2026-07-02 05:30:00'), (2, '2021-07-02 05:30:00')")
        entry = TableEntry.model_validate({"name": "ev", "select_fields": ["id", {"expr": "DATE(t)", "alias": "day"}]})
        request = ReadRequest(entry, "w", WINTER, ZoneInfo("America/Mexico_City"))
        with pytest.raises(
            SourceError, match=r"time zone tables differ from tzdata for America/Mexico_City, around 2024-04-"
        ):
            read_extract(request, options_for(old, "shop"), tmp_path, ignore_progress)
    finally:
        server.stop()


@on_servers_with_names
def test_times_of_information_schema_are_those_of_the_zone_all_year_round(reading, events):
    tables = {
        "table": "information_schema.tables",
        "consistency": "none",
        "select_fields": ["create_time"],
        "where": "table_name = 'ev' AND table_schema = DATABASE()",
    }
    summer, winter = (reading(BERLIN, moment, **tables)["detail"][0] for moment in (SUMMER, WINTER))
    assert summer == winter
    # It was made a moment ago.
    created = summer["create_time"]
    assert isinstance(created, datetime)
    assert abs(datetime.now(BERLIN).replace(tzinfo=None) - created) < timedelta(minutes=30)


@on_servers_with_names
def test_beyond_thirteen_hours_the_present_is_that_of_the_zone_whatever_asks_for_it(reading, execute):
    execute(["CREATE TABLE ev (id INT PRIMARY KEY, tt TIME)", "INSERT INTO ev VALUES (1, '10:00:00')"])
    (row,) = reading(
        ZoneInfo("Pacific/Kiritimati"),
        datetime(2026, 11, 20, 2, tzinfo=UTC),
        select_fields=[{"expr": "CAST(tt AS DATETIME)", "alias": "x"}],
    )["detail"]
    assert str(row["x"]) == "2026-11-20 10:00:00"


@pytest.mark.sample
@on_servers_with_names
def test_an_hour_that_does_not_exist_is_in_the_way_of_no_partition(reading, events, execute):
    execute(
        [
            "SET time_zone = '+00:00'",
            "INSERT INTO ev (id, t) SELECT id + 100, '2026-03-30 02:30:00' FROM ev WHERE id = 1",
        ]
    )
    hour = TimeRange(
        "2026-03-30-04:00", "t", datetime(2026, 3, 30, 2, tzinfo=UTC), datetime(2026, 3, 30, 3, tzinfo=UTC), BERLIN
    )
    found = reading(BERLIN, WINTER, hour, select_fields=["id", {"expr": "HOUR(t)", "alias": "hour"}])["detail"]
    assert found == [{"id": 101, "hour": 4}]


@pytest.mark.sample
@on_servers_with_names
def test_the_last_seven_days_work_in_the_night_that_skips_their_hour(extract, events, execute):
    execute(
        [
            "SET time_zone = '+00:00'",
            "INSERT INTO ev (id, t) SELECT id + 100, '2026-03-29 00:59:59' FROM ev WHERE id < 3",
        ]
    )
    execute(
        [
            "SET time_zone = '+00:00'",
            "INSERT INTO ev (id, t) SELECT id + 200, '2026-03-29 01:00:00' FROM ev WHERE id < 4",
        ]
    )
    fields = {
        "select_fields": ["id", {"expr": "DATE(t)", "alias": "day"}],
        "where": "t >= DATE_SUB(NOW(), INTERVAL 7 DAY) AND id > 100",
    }
    found = extract(BERLIN, datetime(2026, 4, 5, 0, tzinfo=UTC), **fields)
    assert pq.read_table(found.datasets[0].path)["id"].to_pylist() == [201, 202, 203]


def test_an_order_that_leaves_ties_is_noted(extract, execute):
    from aggregation_pipeline.export.caveats import dataset_caveats

    execute(["CREATE TABLE ev (g INT, v INT)", "INSERT INTO ev VALUES (1, 3), (1, 1), (2, 9)"])
    found = extract(select_fields=["g", "v"], order_by=["g"], limit=2)
    (note,) = dataset_caveats(found.datasets[0])
    assert note.startswith(
        "detail: rows that are equal by order_by have no order, and which of them the limit keeps may change"
    )
