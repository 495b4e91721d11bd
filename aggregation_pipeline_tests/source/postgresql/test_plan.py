"""What `plan` and `on_scan` learn from EXPLAIN."""

import psycopg2
import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Read


@pytest.fixture(scope="module", autouse=True)
def big(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute("CREATE TABLE big (id int PRIMARY KEY, status int, price numeric(10,2), phone text)")
        cursor.execute("INSERT INTO big SELECT i, i % 7, i, 'p' || i FROM generate_series(1, 150000) AS i")
        cursor.execute("ANALYZE big")


def planned(options: SourceOptions, **keys: object) -> ReadPlan:
    plan = ReadPlan("big", "big", "2026-11-21")
    request = ReadRequest(entry_of(name="big", **keys), "2026-11-21", LOGICAL_TIME, ZONE)
    kind_of(options).plan_read(request, options, plan)
    return plan


def test_a_plan_tells_columns_types_and_the_index(options: SourceOptions):
    plan = planned(
        options,
        group_by=["status"],
        aggregations=[{"function": "SUM", "field": "price", "alias": "sum"}],
        select_fields=["id", "phone"],
        mask={"phone": "hash"},
        where="id < 100",
    )
    assert plan.server is not None
    assert plan.server.startswith("PostgreSQL")
    assert plan.snapshot is True
    assert plan.engines == "heap"
    assert (plan.warnings, plan.problems) == ([], [])
    summary, detail = plan.datasets
    assert summary.columns == {"status": "integer", "sum": "numeric(32,2)"}
    assert detail.columns == {"id": "integer", "phone": "text"}
    assert detail.masks == {"phone": "hash"}
    assert detail.index == "big_pkey"
    assert detail.estimate is not None
    assert detail.estimate < 1000


def test_a_scan_that_no_index_serves_is_a_warning_or_an_error(options: SourceOptions, read: Read):
    words = r"no index leads to the rows of its `where` \(status = 3\), so about 150,000 rows are read one by one"
    (warning,) = planned(options, select_fields=["id"], where="status = 3").warnings
    assert warning.startswith("detail: no index leads")
    told: list[str] = []
    read(warn=told.append, name="big", select_fields=["id"], where="status = 3")
    assert len(told) == 1
    with pytest.raises(SourceError, match=words + r".*Nothing was read, because source_limits\.on_scan is error"):
        read(name="big", select_fields=["id"], where="status = 3", source_limits={"on_scan": "error"})


def test_more_rows_than_the_entry_allows_are_a_warning(options: SourceOptions):
    plan = planned(options, select_fields=["id"], source_limits={"max_scan_rows": 1000})
    (warning,) = plan.warnings
    assert "would read about 150,000 rows of big, over max_scan_rows = 1,000" in warning


def test_what_is_refused_keeps_what_was_known_before(options: SourceOptions):
    plan = ReadPlan("big", "big", "w")
    request = ReadRequest(entry_of(name="big", select_fields=["nope"]), "w", LOGICAL_TIME, ZONE)
    with pytest.raises(SourceError, match="no column nope"):
        kind_of(options).plan_read(request, options, plan)
    assert plan.server is not None
    assert plan.datasets[0].sql.startswith("SELECT")


def test_the_parts_of_a_table_count_as_one(client: "psycopg2.extensions.connection", options: SourceOptions):
    with client.cursor() as cursor:
        cursor.execute("CREATE TABLE halves (id int, n int) PARTITION BY LIST (n)")
        for n in (0, 1):
            cursor.execute(f"CREATE TABLE half_{n} PARTITION OF halves FOR VALUES IN ({n})")
        cursor.execute("INSERT INTO halves SELECT i, i % 2 FROM generate_series(1, 120000) AS i")
        cursor.execute("ANALYZE halves")
    plan = planned(options, table="halves", aggregations=[{"function": "COUNT", "alias": "n"}], where="id > 5")
    (warning,) = plan.warnings
    assert "about 120,000 rows are read one by one" in warning
