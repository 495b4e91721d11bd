"""Where entries convert instants to clock readings: sub-selects, virtual columns, views, functions, old rows."""

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.instants import (
    BERLIN,
    ROWS,
    SUMMER,
    TWICE,
    WINTER,
    instants,
    on_servers_with_names,
)
from aggregation_pipeline_tests.support.reading import ignore_progress, options_for


@pytest.mark.sample
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


@pytest.mark.sample
def test_a_sub_select_that_only_selects_an_instant_loses_none(reading, events):
    inner = [
        {"expr": "(SELECT MAX(b.t) FROM ev b WHERE b.id = ev.id)", "alias": "last"},
        {"expr": "(SELECT b.t6 FROM ev b WHERE b.id = ev.id ORDER BY b.t LIMIT 1)", "alias": "one"},
    ]
    found = reading(select_fields=["id", *inner], aggregations=[{"expr": "COUNT(DISTINCT t, n)", "alias": "d"}])
    assert instants(found["detail"], "last") == ROWS
    assert instants(found["detail"], "one") == [at + timedelta(milliseconds=250) for at in ROWS]
    assert found["summary"] == [{"d": 5}]


@pytest.mark.sample
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


@pytest.mark.sample
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
