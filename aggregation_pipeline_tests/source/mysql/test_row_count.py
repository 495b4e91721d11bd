"""The rows that arrive are compared with the server's count, also where there are none."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import RowCountError
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.row_count import compare_counts, count_by_rerun
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Execute, Read, options_for, rows_of
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

FIGURES: list[list[dict[str, str]]] = [
    [{"function": "COUNT", "alias": "a"}],
    [{"function": "MAX", "field": "id", "alias": "a"}],
    [{"function": "MIN", "field": "at", "alias": "a"}],
    [{"function": "SUM", "field": "v", "alias": "a"}, {"function": "COUNT DISTINCT", "field": "v", "alias": "b"}],
    [
        {"function": "COUNT", "alias": "a"},
        {"function": "MAX", "field": "id", "alias": "b"},
        {"function": "MIN", "field": "at", "alias": "c"},
    ],
    [{"expr": "MAX(id) + (SELECT COUNT(*) FROM empty_)", "alias": "a"}],
    [{"expr": "COALESCE(MAX(at), NOW())", "alias": "a"}, {"function": "GROUP_CONCAT", "field": "v", "alias": "b"}],
]
CONDITIONS = [
    None, "1 = 0", "id = 77", "id = 77 AND v = 1", "u = 77", "at >= '2030-01-01'", "v > 100", "id IS NULL",
    "id IN (SELECT id FROM empty_)",
    "EXISTS (SELECT 1 FROM empty_)", "v = (SELECT MAX(v) FROM empty_)", "id = 1", "at >= '2020-01-02'",
]  # fmt: skip
GROUPINGS: list[list[str]] = [[], ["v"], ["id"], ["at", "v"]]
TABLES = ["visits", "empty_", "v_visits", "v_empty"]


def shapes() -> Iterator[dict[str, Any]]:
    for table, condition, figures, group_by in itertools.product(TABLES, CONDITIONS, FIGURES, GROUPINGS):
        for limit in (None, 1) if group_by else (None,):
            yield {"name": table, "where": condition, "aggregations": figures, "group_by": group_by, "limit": limit}
    for table, condition, group_by in itertools.product(TABLES, CONDITIONS, GROUPINGS[1:]):
        yield {"name": table, "where": condition, "group_by": group_by}


@pytest.fixture
def visits(execute: Execute) -> None:
    columns = "(id INT PRIMARY KEY, u INT UNIQUE, at DATETIME, v INT, KEY(at))"
    execute([f"CREATE TABLE {name} {columns}" for name in ("visits", "empty_")])
    execute("INSERT INTO visits VALUES (1, 1, '2020-01-01', 5), (2, 2, '2020-01-02', 5), (3, NULL, '2020-01-03', NULL)")
    execute(
        [
            f"CREATE VIEW v_{name} AS SELECT * FROM {table}"
            for name, table in (("visits", "visits"), ("empty", "empty_"))
        ]
    )


def check(mysql: MySQLServer, database: str, wanted: list[dict[str, Any]]) -> None:
    """Run each shape as the reader does, and compare the result with all rows that a client fetches."""
    failed = []
    with (
        mysql.connect(database=database) as client,
        client.cursor() as cursor,
        open_session(options_for(mysql, database), logical_time=LOGICAL_TIME, zone=ZONE) as session,
    ):
        for keys in wanted:
            (query,) = build_queries(TableEntry.model_validate(keys), primary_key=())
            cursor.execute("SET sql_mode = 'ONLY_FULL_GROUP_BY'")
            cursor.execute(query.sql)
            expected = len(cursor.fetchall())
            arrived = len(session.rows(query.sql)[1])
            try:
                compare_counts(session, query, arrived, None, StorageEngines())
            except RowCountError as error:
                failed.append((keys, str(error)))
            assert arrived == expected
            assert int(session.row(count_by_rerun(query))[0]) == expected, keys
    assert failed == []


@pytest.mark.usefixtures("visits")
@pytest.mark.slow
def test_all_shapes_of_totals_and_groups_are_counted_as_they_arrive(mysql: MySQLServer, database: str):
    check(mysql, database, list(shapes()))


@pytest.mark.usefixtures("visits")
@pytest.mark.sample
def test_a_sample_of_totals_over_no_rows_is_counted_as_it_arrives(mysql: MySQLServer, database: str):
    check(mysql, database, list(shapes())[::29])


@pytest.mark.usefixtures("visits")
@pytest.mark.sample
def test_totals_over_no_rows_are_one_row(read: Read):
    figures = [{"function": "COUNT", "alias": "n"}, {"function": "MAX", "field": "id", "alias": "last"}]
    assert rows_of(read(name="empty_", aggregations=figures), "summary") == [{"n": 0, "last": None}]
    quiet = read(
        name="visits",
        where="at >= DATE_SUB(NOW(), INTERVAL 1 DAY)",
        aggregations=[{"function": "MAX", "field": "at", "alias": "last"}],
    )
    assert rows_of(quiet, "summary") == [{"last": None}]
    assert rows_of(read(name="empty_", group_by=["v"], aggregations=figures), "summary") == []


@pytest.mark.usefixtures("visits")
@pytest.mark.sample
def test_columns_that_no_derived_table_takes_are_counted_all_the_same(
    mysql: MySQLServer, database: str, session: Session
):
    """Over no rows MariaDB and MySQL 5.6 count by a rerun, whose derived table needs plain names."""
    long = "MAX(id) + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1"
    odd = [{"expr": long}, {"expr": "MIN(id)", "alias": "e\u0301 `x` .%:a"}, {"expr": "MAX(at)", "alias": "表 数"}]
    entry = TableEntry(name="empty_", aggregations=odd)
    (query,) = build_queries(entry, primary_key=())
    assert session.row(count_by_rerun(query))[0] == 1
    twice = TableEntry(
        name="visits", group_by=["id"], aggregations=[{"expr": "MAX(v)", "alias": "最大"}], mask={"id": "hash"}
    )
    (query,) = build_queries(twice, primary_key=())
    assert session.row(count_by_rerun(query))[0] == 3


@pytest.fixture
def session(mysql: MySQLServer, database: str) -> Iterator[Session]:
    with open_session(options_for(mysql, database), logical_time=LOGICAL_TIME, zone=ZONE) as opened:
        yield opened


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize(
    ("engines", "arrived", "words"),
    [
        (
            StorageEngines(without_snapshots={"MyISAM (hits)"}),
            2,
            r"MyISAM \(hits\) gives no snapshots, so rows came or went in between.*ENGINE=InnoDB",
        ),
        (
            StorageEngines(unknown={"view v"}),
            2,
            r"if a table behind view v has an engine without snapshots; or a proxy spreads",
        ),
        (
            StorageEngines(with_snapshots={"InnoDB"}),
            2,
            "A proxy that spreads the statements of a transaction over replicas does this: connect to the primary",
        ),
        (StorageEngines(with_snapshots={"InnoDB"}), 9, "A proxy that spreads the statements"),
    ],
)
def test_a_count_that_differs_names_the_likely_cause(
    session: Session, engines: StorageEngines, arrived: int, words: str
):
    (query,) = build_queries(TableEntry(name="visits", group_by=["id"]), primary_key=())
    session.rows(query.sql)
    with pytest.raises(
        RowCountError,
        match=rf"summary: {arrived} rows arrived, but the server counted 3 .*Nothing was published\. .*{words}",
    ):
        compare_counts(session, query, arrived, None, engines)


def test_a_round_number_of_rows_is_a_limit_that_somebody_has_set(session: Session, execute: Execute):
    execute("CREATE TABLE many (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    execute(["INSERT INTO many (v) VALUES (1)", *["INSERT INTO many (v) SELECT v FROM many"] * 8])
    query = build_queries(TableEntry(name="many", select_fields=["id"]), primary_key=("id",))[0]
    with pytest.raises(
        RowCountError, match=r"200 rows arrived, but the server counted 256.*A limit of 200 rows on results does this"
    ):
        compare_counts(session, query, 200, 256, StorageEngines(with_snapshots={"InnoDB"}))
