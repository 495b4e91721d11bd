"""Instants turned into clock readings: right all year round, whenever the run is, whether the server knows zones by
name or not.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql import time_zone
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline.timezones.wall_clock import to_wall_clock
from aggregation_pipeline_tests.support.reading import ignore_progress, options_for
from aggregation_pipeline_tests.support.servers.chosen import on

WINTER, SUMMER = datetime(2026, 11, 20, 18, tzinfo=UTC), datetime(2026, 7, 1, 18, tzinfo=UTC)
BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
# Both have the text 2026-10-25 02:30:00 in Berlin.
TWICE = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
ROWS = [
    datetime(2026, 1, 15, 12, tzinfo=UTC),
    datetime(2026, 7, 15, 12, tzinfo=UTC),
    datetime(2026, 7, 15, 22, 30, tzinfo=UTC),
    *TWICE,
]

# seekdb knows no zone by its name.
on_servers_with_names = on("mariadb", "mysql56")

Reading = Callable[..., dict[str, list[dict[str, object]]]]


@pytest.fixture
def extract(mysql, database, tmp_path) -> Callable[..., Extract]:
    def run(
        zone: ZoneInfo = BERLIN,
        moment: datetime = WINTER,
        window: TimeRange | None = None,
        zero: str = "null",
        **keys: object,
    ) -> Extract:
        entry = TableEntry.model_validate({"name": "ev", **keys})
        request = ReadRequest(entry, "2026-11-21", moment, zone, zero, partition=window)  # type: ignore[arg-type]
        return read_extract(request, options_for(mysql, database), tmp_path, ignore_progress)

    return run


@pytest.fixture
def reading(extract) -> Reading:
    def run(*arguments: object, **keys: object) -> dict[str, list[dict[str, object]]]:
        return {each.name: pq.read_table(each.path).to_pylist() for each in extract(*arguments, **keys).datasets}

    return run


@pytest.fixture
def events(execute) -> None:
    rows = ", ".join(
        f"({number}, '{at:%Y-%m-%d %H:%M:%S}', '{at:%Y-%m-%d %H:%M:%S}.250000', {at.timestamp():.0f})"
        for number, at in enumerate(ROWS, 1)
    )
    execute(
        [
            "SET time_zone = '+00:00'",
            "CREATE TABLE ev (id INT PRIMARY KEY, t TIMESTAMP NULL, t6 TIMESTAMP(6) NULL, n INT, KEY (t))",
            f"INSERT INTO ev VALUES {rows}",
        ]
    )


def instants(rows: list[dict[str, object]], name: str = "t") -> list[object]:
    return [None if (at := row[name]) is None else at.astimezone(UTC) for row in rows]  # type: ignore[attr-defined]


@pytest.mark.sample56
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


@pytest.mark.sample56
@pytest.mark.parametrize("moment", [WINTER, SUMMER])
def test_days_of_instants_are_those_of_the_zone_all_year_round(mysql, reading, events, moment):
    days = {"group_by": [{"expr": "DATE(t)", "alias": "day"}], "aggregations": [{"function": "COUNT", "alias": "n"}]}
    if mysql.name == "seekdb":
        with pytest.raises(
            SourceError,
            match=r"group_by\[0\]: \(DATE\(t\)\) asks for clock readings of Europe/Berlin.*does not know the time zone",
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


@pytest.mark.sample56
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


@pytest.mark.sample56
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


@pytest.fixture
def nameless(monkeypatch, mysql, database):
    """A server whose time zone tables are older than the zone's last change."""

    def differ(_session: object) -> str:
        return "the server's time zone tables differ from tzdata for Europe/Berlin, around 2026-03-29"

    monkeypatch.setattr(time_zone, "_server_differs", differ)


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
        "what the view `v` makes of instants is shown by a clock that stands at UTC+01:00 all year round: the server's"
        " time zone tables differ from tzdata for Europe/Berlin, around 2026-03-29. Load the server's time zone"
        " tables ("
    )
    assert instants(pq.read_table(found.datasets[0].path).to_pylist()) == ROWS


@pytest.mark.sample56
@on_servers_with_names
def test_sub_selects_virtual_columns_and_views_turn_instants_too(mysql, reading, events, execute):
    execute("CREATE VIEW v AS SELECT id, t, DATE(t) AS day FROM ev")
    days = ["2026-01-15", "2026-07-15", "2026-07-16", "2026-10-25", "2026-10-25"]
    found = reading(table="v", select_fields=["id", "t", "day"], order_by=["id"])["detail"]
    assert [str(row["day"]) for row in found] == days
    # docs/types.md: behind a view MySQL itself does not tell the two instants of the hour that comes twice.
    assert instants(found)[:4] == ROWS[:4]
    inner = "(SELECT DATE(o.t) FROM ev o WHERE o.id = ev.id)"
    assert [str(row["day"]) for row in reading(select_fields=["id", {"expr": inner, "alias": "day"}])["detail"]] == days
    if mysql.name == "mariadb":
        execute("ALTER TABLE ev ADD day DATE AS (CAST(FROM_UNIXTIME(n) AS DATE)) VIRTUAL")
        assert [str(row["day"]) for row in reading(select_fields=["id", "day"])["detail"]] == days


@pytest.mark.sample56
@pytest.mark.parametrize("zero", ["null", "text"])
def test_zero_dates_and_text_are_right_in_a_named_zone_and_at_an_offset(mysql, reading, execute, zero):
    execute(
        [
            "SET time_zone = '+00:00', sql_mode = ''",
            "CREATE TABLE ev (id INT PRIMARY KEY, t TIMESTAMP NULL, t3 TIMESTAMP(3) NULL)",
            "INSERT INTO ev VALUES (1, '2026-07-15 22:30:00', '2026-07-15 22:30:00.125'), (2, NULL, NULL)",
        ]
    )
    if mysql.name != "seekdb":
        execute(["SET sql_mode = ''", "INSERT INTO ev VALUES (3, '0000-00-00 00:00:00', '0000-00-00 00:00:00')"])
    for turned in [False, True] if mysql.name != "seekdb" else [False]:
        extra = [{"expr": "HOUR(t)", "alias": "h"}] if turned else []
        found = reading(zero=zero, select_fields=["id", "t", "t3", *extra])["detail"]
        if zero == "text":
            shown = [
                ("2026-07-16 00:30:00", "2026-07-16 00:30:00.125"),
                (None, None),
                ("0000-00-00 00:00:00", "0000-00-00 00:00:00.000"),
            ]
            assert [(row["t"], row["t3"]) for row in found] == shown[: len(found)]
        else:
            assert instants(found) == [datetime(2026, 7, 15, 22, 30, tzinfo=UTC), None, None][: len(found)]


@on_servers_with_names
def test_a_masked_zero_date_is_not_taken_for_null(extract, execute):
    execute(
        [
            "SET time_zone = '+00:00', sql_mode = ''",
            "CREATE TABLE ev (id INT PRIMARY KEY, t TIMESTAMP NULL, t3 TIMESTAMP(3) NULL)",
            "INSERT INTO ev VALUES (1, '0000-00-00 00:00:00', '0000-00-00 00:00:00'), (2, NULL, NULL)",
        ]
    )
    masks = {"t": "partial", "t3": "hash"}
    kept = pq.read_table(extract(zero="text", select_fields=["*"], mask=masks).datasets[0].path).to_pylist()
    assert (kept[0]["t"], kept[1]["t"], kept[1]["t3"]) == ("0****0", None, None)
    assert len(kept[0]["t3"]) == 64
    nulled = extract(select_fields=["*"], mask=masks).datasets[0]
    assert pq.read_table(nulled.path).to_pylist()[0] == {"id": 1, "t": None, "t3": None}
    assert nulled.zero_dates == {"t": 1, "t3": 1}


@on_servers_with_names
def test_equal_instants_have_equal_hashes_in_every_session(extract, events):
    hashes = []
    for moment, fields in ((WINTER, []), (SUMMER, []), (WINTER, [{"expr": "HOUR(t)", "alias": "h"}])):
        found = extract(
            BERLIN, moment, select_fields=["id", "t", *fields], mask={"t": "hash", **({"h": "keep"} if fields else {})}
        )
        hashes.append(pq.read_table(found.datasets[0].path)["t"].to_pylist())
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes[0])) == len(ROWS)


def test_the_clock_of_a_zone_is_what_zoneinfo_says(tmp_path: Path):
    import pyarrow as pa

    for name in ("Africa/Monrovia", "Africa/Casablanca", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"):
        zone = ZoneInfo(name)
        moments = [datetime(1970, 1, 2, tzinfo=UTC) + timedelta(days=19.7 * step) for step in range(2000)]
        shown, offsets = to_wall_clock(pa.array([*moments, None], pa.timestamp("us", tz=name)))
        assert shown.to_pylist() == [*(at.astimezone(zone).replace(tzinfo=None) for at in moments), None]
        assert [int(one) for one in offsets[:-1]] == [at.astimezone(zone).utcoffset().total_seconds() for at in moments]  # type: ignore[union-attr]


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
def test_virtual_columns_over_virtual_ones_and_in_sub_selects_are_seen_through(mysql, reading, events, execute):
    if mysql.name == "mysql56":
        execute("CREATE VIEW days AS SELECT id, DATE(t) AS v1, DAYOFMONTH(DATE(t)) AS v2 FROM ev")
        assert [row["v2"] for row in reading(table="days", select_fields=["v2"], order_by=["id"])["detail"]] == [
            15,
            15,
            16,
            25,
            25,
        ]
        return
    execute(
        [
            "ALTER TABLE ev ADD v1 DATE AS (DATE(t)) VIRTUAL, ADD v2 INT AS (DAYOFMONTH(v1)) VIRTUAL",
            "CREATE TABLE o AS SELECT id FROM ev",
        ]
    )
    assert [row["v2"] for row in reading(select_fields=["id", "v2"])["detail"]] == [15, 15, 16, 25, 25]
    inner = {"expr": "(SELECT e.v1 FROM ev e WHERE e.id = o.id)", "alias": "day"}
    found = reading(table="o", select_fields=["id", inner], order_by=["id"])["detail"]
    assert [str(row["day"]) for row in found] == ["2026-01-15", "2026-07-15", "2026-07-16", "2026-10-25", "2026-10-25"]


@pytest.mark.sample56
def test_a_sub_select_that_only_selects_an_instant_loses_none(reading, events):
    inner = [
        {"expr": "(SELECT MAX(b.t) FROM ev b WHERE b.id = ev.id)", "alias": "last"},
        {"expr": "(SELECT b.t6 FROM ev b WHERE b.id = ev.id ORDER BY b.t LIMIT 1)", "alias": "one"},
    ]
    found = reading(select_fields=["id", *inner], aggregations=[{"expr": "COUNT(DISTINCT t, n)", "alias": "d"}])
    assert instants(found["detail"], "last") == ROWS
    assert instants(found["detail"], "one") == [at + timedelta(milliseconds=250) for at in ROWS]
    assert found["summary"] == [{"d": 5}]


@on_servers_with_names
def test_times_of_information_schema_are_those_of_the_zone_all_year_round(reading, events):
    tables = {
        "table": "information_schema.tables",
        "consistency": "none",
        "select_fields": ["create_time"],
        "where": "table_name = 'ev' AND table_schema = DATABASE()",
    }
    summer, winter = (reading(BERLIN, moment, **tables)["detail"][0] for moment in (SUMMER, WINTER))
    assert list(summer.values()) == list(winter.values())


@on_servers_with_names
def test_beyond_thirteen_hours_the_present_is_that_of_the_zone_whatever_asks_for_it(reading, execute):
    execute(["CREATE TABLE ev (id INT PRIMARY KEY, tt TIME)", "INSERT INTO ev VALUES (1, '10:00:00')"])
    (row,) = reading(
        ZoneInfo("Pacific/Kiritimati"),
        datetime(2026, 11, 20, 2, tzinfo=UTC),
        select_fields=[{"expr": "CAST(tt AS DATETIME)", "alias": "x"}],
    )["detail"]
    assert str(row["x"]) == "2026-11-20 10:00:00"


@pytest.mark.sample56
@on_servers_with_names
def test_figures_of_instants_lose_none_however_they_are_spelt(reading, events, database):
    spelt = {
        "MAX((t))": TWICE[1],
        "max( ALL t )": TWICE[1],
        "MAX(DISTINCT ev.t)": TWICE[1],
        f"MAX({database}.ev.t)": TWICE[1],
        f"MIN(`{database}`.`ev`.`t`)": ROWS[0],
        "COUNT(DISTINCT (t))": 5,
        f"COUNT(DISTINCT {database}.ev.t)": 5,
        "UNIX_TIMESTAMP(MAX(t))": int(TWICE[1].timestamp()),
    }
    figures = [{"expr": sql, "alias": f"f{place}"} for place, sql in enumerate(spelt)]
    (row,) = reading(aggregations=[*figures, {"expr": "MAX(DATE(t))", "alias": "day"}])["summary"]
    found = [row[f"f{place}"] for place in range(len(spelt))]
    assert [at.astimezone(UTC) if isinstance(at, datetime) else at for at in found] == list(spelt.values())


@pytest.mark.sample56
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


@pytest.mark.sample56
@on_servers_with_names
def test_a_stored_function_is_one_whatever_other_dialects_call_theirs(reading, events, execute, database):
    execute("CREATE FUNCTION unix_to_time(n BIGINT) RETURNS DATETIME DETERMINISTIC NO SQL RETURN FROM_UNIXTIME(n)")
    found = reading(select_fields=["id", {"expr": "unix_to_time(n)", "alias": "at"}])["detail"]
    assert [row["at"] for row in found] == [at.astimezone(BERLIN).replace(tzinfo=None) for at in ROWS]


def test_periods_of_versioned_tables_and_rows_of_the_past_follow_the_zone(mariadb, tmp_path):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("CREATE TABLE ev (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING")
        for at, statement in (
            ("2026-07-01 21:30:00", "INSERT INTO ev VALUES (1, 10)"),
            ("2026-07-01 22:30:00", "UPDATE ev SET n = 20"),
        ):
            cursor.execute(f"SET timestamp = UNIX_TIMESTAMP('{at}')")
            cursor.execute(statement)
    past = "(SELECT MAX(n) FROM ev FOR SYSTEM_TIME AS OF '2026-07-02 00:00:00')"
    json = (
        "(SELECT MAX(j.a) FROM JSON_TABLE('[{\"a\": \"2026-07-01 12:00:00\"}]', '$[*]' COLUMNS (a TIMESTAMP PATH"
        " '$.a')) j)"
    )
    made = [{"expr": past, "alias": "past"}, {"expr": json, "alias": "json"}]
    fields = ["id", "row_start", {"expr": "DATE(row_start)", "alias": "day"}, *made]
    for moment in (WINTER, SUMMER):
        entry = TableEntry.model_validate({"name": "ev", "select_fields": fields})
        extract = read_extract(
            ReadRequest(entry, "w", moment, BERLIN), options_for(mariadb, database), tmp_path, ignore_progress
        )
        (row,) = pq.read_table(extract.datasets[0].path).to_pylist()
        assert (str(row["day"]), row["past"]) == ("2026-07-02", 10)
        assert row["row_start"].astimezone(UTC) == datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
        assert row["json"].astimezone(UTC) == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.sample56
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
