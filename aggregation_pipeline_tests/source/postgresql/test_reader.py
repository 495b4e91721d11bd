"""Reading an entry of PostgreSQL: both datasets from one snapshot, in their order, counted."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
import pyarrow as pa
import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.read_plan import plan_read
from aggregation_pipeline.source.postgresql.reader import read_extract
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import Arrivals, ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Execute, Read, ignore_progress, rows_of


def test_both_datasets_are_read_in_the_order_of_keys(execute: Execute, read: Read):
    execute(
        [
            "CREATE TABLE orders (id int PRIMARY KEY, status text, price numeric(10,2), paid boolean)",
            "INSERT INTO orders VALUES (2, 'paid', 10.5, true), (1, 'open', 0.25, false), (3, 'paid', 1, NULL)",
        ]
    )
    extract = read(
        name="orders",
        group_by=["status"],
        aggregations=[{"function": "SUM", "field": "price", "alias": "revenue"}, {"function": "COUNT", "alias": "n"}],
        select_fields=["*"],
    )
    assert rows_of(extract, "summary") == [
        {"status": "open", "revenue": Decimal("0.25"), "n": 1},
        {"status": "paid", "revenue": Decimal("11.50"), "n": 2},
    ]
    summary, detail = extract.datasets
    assert summary.schema.field("revenue").type == pa.decimal128(32, 2)
    assert [row["id"] for row in rows_of(extract)] == [1, 2, 3]
    assert (summary.order, detail.order) == ("group keys", "primary key (id)")
    assert extract.consistency == "snapshot"
    assert extract.engines == "heap"


@pytest.fixture(scope="module")
def events(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute(
            'CREATE TABLE events (id int PRIMARY KEY, "userId" int, kind text, day date, at timestamp,'
            " moment timestamptz)"
        )
        cursor.execute(
            "INSERT INTO events SELECT i, i % 3, CASE i % 3 WHEN 0 THEN 'Zebra' WHEN 1 THEN 'apple' ELSE 'éclair' END,"
            " date '2026-11-19' + i / 24, timestamp '2026-11-19' + i * interval '1 hour',"
            " timestamptz '2026-11-19 00:00+08' + i * interval '1 hour' FROM generate_series(0, 71) AS i"
        )
        cursor.execute("COMMENT ON COLUMN events.kind IS 'what happened'")


def window(column: str, start: str, end: str, zone: ZoneInfo = ZONE) -> TimeRange:
    first, last = (datetime.fromisoformat(each).replace(tzinfo=zone) for each in (start, end))
    return TimeRange("2026-11-20", column, first, last, zone)


@pytest.mark.parametrize("column", ["day", "at", "moment"])
def test_a_window_has_the_rows_of_its_day_whatever_the_column_is(events: None, read: Read, column: str):
    extract = read(
        partition=window(column, "2026-11-20", "2026-11-21"),
        name="events",
        aggregations=[{"function": "COUNT", "alias": "n"}],
        select_fields=["id"],
    )
    assert rows_of(extract, "summary") == [{"n": 24}]
    assert [row["id"] for row in rows_of(extract)] == list(range(24, 48))


def test_instants_are_compared_as_instants_when_clocks_go_back(execute: Execute, read: Read):
    berlin = ZoneInfo("Europe/Berlin")
    hours = "'2026-10-24 22:00Z'::timestamptz + i * interval '1 hour'"
    execute(
        [
            "CREATE TABLE night (id int PRIMARY KEY, moment timestamptz)",
            f"INSERT INTO night SELECT i, {hours} FROM generate_series(-1, 25) AS i",
        ]
    )
    extract = read(
        zone=berlin,
        partition=window("moment", "2026-10-25", "2026-10-26", berlin),
        name="night",
        select_fields=["id"],
    )
    # The day has 25 hours.
    assert [row["id"] for row in rows_of(extract)] == list(range(25))


def test_texts_are_ordered_byte_by_byte_as_keys_of_groups(events: None, read: Read):
    extract = read(name="events", group_by=["kind"], aggregations=[{"function": "COUNT", "alias": "n"}])
    assert [row["kind"] for row in rows_of(extract, "summary")] == ["Zebra", "apple", "éclair"]
    assert 'COLLATE "C"' in extract.datasets[0].sql
    assert extract.datasets[0].schema.field("kind").metadata[b"comment"] == b"what happened"
    assert b"adds_up" in extract.datasets[0].schema.field("n").metadata


def test_a_limit_cuts_and_says_so(events: None, read: Read):
    summary, detail = read(
        name="events",
        group_by=["day"],
        aggregations=[{"function": "COUNT", "alias": "n"}],
        select_fields=["id"],
        order_by=["moment DESC"],
        limit=2,
    ).datasets
    assert (summary.rows, summary.truncated) == (2, True)
    assert (detail.rows, detail.truncated) == (2, True)
    assert detail.order == "moment DESC, then primary key (id)"
    whole = read(name="events", select_fields=["id"], limit=72).datasets[0]
    assert (whole.rows, whole.truncated) == (72, False)


def test_conditions_expressions_and_quoted_names_are_the_users_own(events: None, read: Read):
    extract = read(
        name="big_users",
        table="public.events",
        group_by=["userId"],
        aggregations=[
            {"expr": "count(*) FILTER (WHERE kind ~ '^[a-z]')", "alias": "small"},
            {"function": "GROUP_CONCAT", "field": "id", "alias": "ids"},
        ],
        where="moment >= now() - interval '3 hours' AND \"userId\" = ANY (ARRAY[1, 2])",
        having="small > 0",
    )
    # The logical time is 2026-11-21 02:00 by the clock of Shanghai.
    assert rows_of(extract, "summary") == [{"userId": 1, "small": 8, "ids": "49,52,55,58,61,64,67,70"}]
    assert "TIMESTAMPTZ '2026-11-20 18:00:00+00:00'" in extract.datasets[0].sql


def test_a_text_key_and_a_unique_key_order_rows_too(execute: Execute, read: Read):
    execute(
        [
            "CREATE TABLE codes (code text NOT NULL UNIQUE, n int)",
            "INSERT INTO codes VALUES ('b', 1), ('B', 2), ('a', 3)",
            "CREATE TABLE heap (n int)",
            "INSERT INTO heap VALUES (1)",
        ]
    )
    extract = read(name="codes", select_fields=["*"])
    assert [row["code"] for row in rows_of(extract)] == ["B", "a", "b"]
    assert extract.datasets[0].order == "unique key (code)"
    assert read(name="heap", select_fields=["*"]).datasets[0].order == "none"


def test_names_may_hold_anything(execute: Execute, read: Read):
    execute(
        [
            'CREATE TABLE "Odd ""Table"" %s" ("select" int PRIMARY KEY, "a""b" text, "中文列" text, "x; DROP" int)',
            'INSERT INTO "Odd ""Table"" %s" VALUES (1, \'q\', \'值\', 2)',
        ]
    )
    extract = read(name="odd", table='Odd "Table" %s', select_fields=["*"])
    assert rows_of(extract) == [{"select": 1, 'a"b': "q", "中文列": "值", "x; DROP": 2}]
    long = "名" * 60
    assert rows_of(read(name="odd", table='Odd "Table" %s', select_fields=[{"expr": "select", "alias": long}])) == [
        {long: 1}
    ]


def test_a_table_of_the_servers_own_does_not_stand_in_for_one_of_the_same_name(execute: Execute, read: Read):
    execute(["CREATE TABLE public.pg_class (id int PRIMARY KEY)", "INSERT INTO public.pg_class VALUES (1)"])
    with pytest.raises(SourceError, match=r"Write pg_catalog\.pg_class for it, or public\.pg_class for one of yours"):
        read(name="pg_class", select_fields=["*"])
    assert rows_of(read(name="own", table="public.pg_class", select_fields=["*"])) == [{"id": 1}]
    assert read(name="theirs", table="pg_catalog.pg_class", select_fields=["oid"]).datasets[0].rows > 1


def test_a_table_without_columns_has_nothing_to_read(execute: Execute, read: Read):
    execute("CREATE TABLE bare ()")
    with pytest.raises(SourceError, match="bare has no columns, so there is nothing to read"):
        read(name="bare", select_fields=["*"])
    assert rows_of(read(name="bare", aggregations=[{"function": "COUNT", "alias": "n"}]), "summary") == [{"n": 0}]


def test_an_empty_table_has_headers_and_no_rows(execute: Execute, read: Read):
    execute("CREATE TABLE nothing (id int PRIMARY KEY, price numeric(10,2))")
    extract = read(
        name="nothing",
        group_by=["id"],
        aggregations=[{"function": "SUM", "field": "price", "alias": "sum"}],
        select_fields=["*"],
    )
    assert [dataset.rows for dataset in extract.datasets] == [0, 0]
    assert extract.datasets[1].schema.names == ["id", "price"]
    assert rows_of(read(name="nothing"), "summary") == [{"row_count": 0}]


def test_all_datasets_are_of_one_snapshot(execute: Execute, read: Read):
    execute(["CREATE TABLE growing (id int PRIMARY KEY)", "INSERT INTO growing VALUES (1)"])

    class Growing(Arrivals):
        def begin(self, extract: Extract) -> None:
            execute("INSERT INTO growing SELECT max(id) + 1 FROM growing")

        def begin_dataset(self, dataset: Dataset) -> None:
            execute("INSERT INTO growing SELECT max(id) + 1 FROM growing")

    extract = read(
        name="growing",
        aggregations=[{"function": "COUNT", "alias": "n"}],
        select_fields=["id"],
        arrivals=Growing(),
    )
    assert rows_of(extract, "summary") == [{"n": 1}]
    assert rows_of(extract) == [{"id": 1}]
    # One more before each dataset, and one at the beginning.
    assert len(rows_of(read(name="growing", select_fields=["id"]))) == 4


def test_many_rows_come_in_batches_and_are_counted(execute: Execute, read: Read):
    execute("CREATE TABLE many AS SELECT i AS id, repeat('x', 100) AS filling FROM generate_series(1, 200000) AS i")
    told: list[tuple[int, int | None]] = []
    extract = read(
        progress=lambda _, done, total: told.append((done, total)), name="many", select_fields=["*"], order="none"
    )
    assert extract.datasets[0].rows == 200_000
    assert len(told) > 4
    assert told[0][1] == told[-1][1] == 200_000


def test_too_many_rows_are_refused_before_they_are_read(events: None, read: Read, tmp_path: Path):
    limits = {"max_rows": 10}
    with pytest.raises(SourceError, match=r"detail: there are 72 rows or more, over max_rows = 10"):
        read(name="events", select_fields=["id"], source_limits=limits)
    with pytest.raises(SourceError, match=r"summary: there are 72 rows or more"):
        read(name="events", group_by=["id"], source_limits=limits)
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_on_the_disk_after_a_failure_in_the_middle(events: None, read: Read, tmp_path: Path):
    with pytest.raises(SourceError, match=r"SQLSTATE 22012\): Division by zero\. Divide by NULLIF"):
        read(name="events", group_by=["kind"], select_fields=[{"expr": "1 / (60 - id)", "alias": "x"}], order="none")
    assert list(tmp_path.iterdir()) == []


def test_a_function_of_sets_gives_its_rows_and_they_are_counted(execute: Execute, read: Read):
    execute(["CREATE TABLE baskets (id int PRIMARY KEY, items text[])", "INSERT INTO baskets VALUES (1, '{a,b}')"])
    extract = read(name="baskets", select_fields=["id", {"expr": "unnest(items)", "alias": "item"}])
    assert [row["item"] for row in rows_of(extract)] == ["a", "b"]


def test_partitioned_tables_and_views_are_read(execute: Execute, read: Read):
    execute(
        [
            "CREATE TABLE parts (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
            "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
            "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
            "INSERT INTO parts VALUES (2, '2026-01-05'), (1, '2026-02-05')",
            "CREATE VIEW january AS SELECT id FROM parts WHERE day < '2026-02-01'",
        ]
    )
    extract = read(name="parts", select_fields=["*"])
    assert [row["id"] for row in rows_of(extract)] == [1, 2]
    assert extract.datasets[0].order == "primary key (id, day)"
    assert rows_of(read(name="january", select_fields=["*"])) == [{"id": 2}]


def test_rows_that_policies_hide_are_spoken_of(execute: Execute, options: SourceOptions, tmp_path: Path):
    role = f"tenant_{options.database}"
    execute(
        [
            "CREATE TABLE tenants (id int PRIMARY KEY, tenant text)",
            "INSERT INTO tenants VALUES (1, 'a'), (2, 'b')",
            "ALTER TABLE tenants ENABLE ROW LEVEL SECURITY",
            f"CREATE ROLE {role} LOGIN",
            f"CREATE POLICY own ON tenants TO {role} USING (tenant = 'a')",
            f"GRANT SELECT ON tenants TO {role}",
        ]
    )
    entry = entry_of(name="tenants", select_fields=["id"])
    request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE, "null", None)
    said = list[str]()
    account = replace(options, user=role)
    extract = read_extract(request, account, tmp_path, ignore_progress, pytest.fail, said.append)
    plan = ReadPlan("tenants", "", "2026-11-21")
    plan_read(request, account, plan)
    assert [row["id"] for row in rows_of(extract)] == [1]
    assert "row level security is in force on public.tenants" in said[0]
    assert extract.notes == tuple(said) == tuple(plan.warnings)
    everything = read_extract(request, options, tmp_path, ignore_progress, pytest.fail, pytest.fail)
    assert [row["id"] for row in rows_of(everything)] == [1, 2]
    execute([f"DROP OWNED BY {role}", f"DROP ROLE {role}"])
