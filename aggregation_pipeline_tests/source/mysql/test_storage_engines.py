"""Rows are called of one moment only where every table behind an entry gives snapshots, and nobody is refused for what
cannot be seen.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError
from aggregation_pipeline.export.checks.evaluate import evaluate_checks
from aggregation_pipeline.export.checks.standard import SNAPSHOT_HELD
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.storage_engines import Relation
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    SERVERS_WITH_STORAGE_ENGINES,
    ZONE,
    ignore_progress,
    options_for,
    run_on,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def extract_of(server: MySQLServer, database: str, directory: Path, user: str | None = None, **keys: Any) -> Extract:
    entry = TableEntry.model_validate({"aggregations": [{"function": "COUNT", "alias": "n"}]} | keys)
    options = options_for(server, database)
    options = options if user is None else replace(options, user=user)
    return read_extract(
        ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE), options, directory, ignore_progress, pytest.fail
    )


def snapshot_words(extract: Extract) -> tuple[bool, str]:
    entry = TableEntry(name=extract.table)
    results = {result.name: result for result in evaluate_checks(entry, extract, None, lambda: None)}
    return results[SNAPSHOT_HELD].passed, results[SNAPSHOT_HELD].message


SUB_SELECT = "id IN (SELECT id FROM {})"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a MyISAM table": ({"name": "myi"}, r"MyISAM \(myi\) gives no snapshots, so"),
    "one statement alone": ({"name": "myi", "aggregations": [], "select_fields": ["*"]}, r"MyISAM \(myi\)"),
    "a partitioned one": ({"name": "myi_par"}, r"MyISAM \(myi_par\)"),
    "MEMORY": ({"name": "mem"}, r"MEMORY \(mem\)"),
    "CSV": ({"name": "csv_"}, r"CSV \(csv_\)"),
    "MERGE": ({"name": "merged"}, r"(?i)MRG_MyISAM \(merged\)"),
    "a sub-select of where": (
        {"name": "inn", "where": SUB_SELECT.format("myi")}, r"MyISAM \(myi\) gives no snapshots beside InnoDB, so"
    ),
    "a sub-select of a figure": (
        {"name": "inn", "aggregations": [{"expr": "MAX(v) + (SELECT v FROM mem)", "alias": "n"}]},
        r"MEMORY \(mem\)",
    ),
    "a sub-select of a column": (
        {"name": "inn", "select_fields": [{"expr": "(SELECT MAX(v) FROM csv_)", "alias": "n"}]}, r"CSV \(csv_\)"
    ),
    "a view": ({"name": "v_myi"}, r"MyISAM \(\w+\.myi\)"),
    "a view of views": ({"name": "v_deep"}, r"MyISAM \(\w+\.myi\) gives no snapshots beside InnoDB"),
    "a view in a sub-select": ({"name": "inn", "where": SUB_SELECT.format("v_myi")}, r"MyISAM \(\w+\.myi\)"),
    "tables of the server": (
        {"name": "x", "table": "information_schema.engines"}, r"system view \(information_schema\.engines\)"
    ),
}  # fmt: skip


def test_an_engine_without_snapshots_is_refused_by_name_wherever_it_is_read(
    with_engines: MySQLServer, mixed: str, tmp_path: Path
):
    for what, (keys, words) in REFUSED.items():
        with pytest.raises(SnapshotError, match=words) as caught:
            extract_of(with_engines, mixed, tmp_path, **keys)
        assert "ALTER TABLE ... ENGINE=InnoDB" in str(caught.value), what
        assert "write `consistency: none` in the table's entry; its manifest will then say so" in str(caught.value), (
            what
        )
    assert list(tmp_path.iterdir()) == []


def test_consistency_none_takes_it_and_says_so(with_engines: MySQLServer, mixed: str, tmp_path: Path):
    plain = extract_of(with_engines, mixed, tmp_path, name="myi", consistency="none")
    assert (plain.consistency, plain.engines) == ("none", "MyISAM (myi)")
    assert snapshot_words(plain) == (
        False,
        "consistency: none in the entry; summary and detail rows may be of different moments (engines: MyISAM (myi))",
    )
    both = extract_of(with_engines, mixed, tmp_path, name="inn", where=SUB_SELECT.format("mem"), consistency="none")
    assert (both.consistency, both.engines) == ("none", "InnoDB, MEMORY (mem)")
    calm = extract_of(with_engines, mixed, tmp_path, name="inn", consistency="none")
    assert (calm.consistency, calm.engines) == ("snapshot", "InnoDB")


def test_tables_with_snapshots_are_certified(with_engines: MySQLServer, mixed: str, tmp_path: Path):
    for keys in (
        {"name": "inn"},
        {"name": "par"},
        {"name": "v_inn"},
        {"name": "inn", "where": SUB_SELECT.format(f"{mixed}.par")},
    ):
        extract = extract_of(with_engines, mixed, tmp_path, **keys)
        assert (extract.consistency, extract.engines) == ("snapshot", "InnoDB")
        assert snapshot_words(extract) == (True, "All rows are of one moment.")


def test_a_stored_function_makes_it_unknown(with_engines: MySQLServer, mixed: str, tmp_path: Path):
    for keys in (
        {"name": "inn", "where": "v < f_inn()"},
        {"name": "v_function"},
        {"name": "inn", "where": f"v < {mixed}.f_inn()"},
    ):
        extract = extract_of(with_engines, mixed, tmp_path, **keys)
        assert extract.consistency == "snapshot"
        assert extract.engines in {"InnoDB, unknown (function f_inn)", f"InnoDB, unknown (function {mixed}.f_inn)"}
        assert snapshot_words(extract)[1].startswith(
            "All rows are of one moment, as far as this account can see: engines InnoDB, unknown"
        )


def test_behind_a_view_an_account_that_sees_nothing_is_not_refused_and_told_what_to_grant(
    with_engines: MySQLServer, mixed: str, account: str, tmp_path: Path
):
    run_on(with_engines, mixed, [f"GRANT SELECT ON {view} TO {account}@'%'" for view in ("v_inn", "v_myi", "v_deep")])
    for view in ("v_inn", "v_myi", "v_deep"):
        extract = extract_of(with_engines, mixed, tmp_path, account, name=view)
        assert (extract.consistency, extract.engines) == ("snapshot", f"unknown (view {view})")
        passed, words = snapshot_words(extract)
        assert passed
        assert (
            words == f"All rows are of one moment, as far as this account can see: engines unknown (view {view}); "
            "GRANT SHOW VIEW on the view, and SELECT on its tables, shows more."
        )
    run_on(with_engines, mixed, [f"GRANT SHOW VIEW ON v_myi TO {account}@'%'"])
    if with_engines.name == "mariadb":  # MySQL 5.6 shows an engine to whoever sees the table's name.
        extract = extract_of(with_engines, mixed, tmp_path, account, name="v_myi")
        assert extract.engines == f"unknown (table {mixed}.myi)"
        assert "SELECT on its tables, shows more" in snapshot_words(extract)[1]
    run_on(with_engines, mixed, [f"GRANT SELECT ON myi TO {account}@'%'"])
    with pytest.raises(SnapshotError, match=r"MyISAM \(\w+\.myi\)"):
        extract_of(with_engines, mixed, tmp_path, account, name="v_myi")


def test_names_that_differ_in_case_alone_are_told_apart(with_engines: MySQLServer, mixed: str, tmp_path: Path):
    run_on(with_engines, mixed, ["CREATE TABLE INN (id INT PRIMARY KEY) ENGINE=MyISAM"])
    assert extract_of(with_engines, mixed, tmp_path, name="inn").engines == "InnoDB"
    with pytest.raises(SnapshotError, match=r"MyISAM \(INN\)"):
        extract_of(with_engines, mixed, tmp_path, name="INN")


def test_the_sequence_engine_makes_up_the_same_rows_each_time(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    run_on(mariadb, database, ["CREATE TABLE inn (id INT PRIMARY KEY)", "CREATE SEQUENCE numbers"])
    extract = extract_of(
        mariadb, database, tmp_path, name="inn", where=SUB_SELECT.replace("id FROM {}", "seq FROM seq_1_to_10")
    )
    assert (extract.consistency, extract.engines) == ("snapshot", "InnoDB, SEQUENCE")
    with pytest.raises(SnapshotError, match=r"sequence \(numbers\)"):
        extract_of(mariadb, database, tmp_path, name="numbers")


def test_seekdb_has_one_engine_and_views_over_it(seekdb: MySQLServer, tmp_path: Path):
    database = seekdb.fresh_database()
    run_on(seekdb, database, ["CREATE TABLE t (id INT PRIMARY KEY)", "CREATE VIEW v AS SELECT * FROM t"])
    for name in ("t", "v"):
        extract = extract_of(seekdb, database, tmp_path, name=name)
        assert (extract.consistency, extract.engines) == ("snapshot", "InnoDB")


@pytest.mark.parametrize(
    ("engine", "transactions", "kind", "expected"),
    [
        ("InnoDB", "YES", "BASE TABLE", True),
        ("ROCKSDB", "YES", "BASE TABLE", True),
        ("TokuDB", "YES", "BASE TABLE", True),
        ("OceanBase", None, "BASE TABLE", True),
        ("FEDERATED", "YES", "BASE TABLE", False),
        ("ndbcluster", "YES", "BASE TABLE", False),
        ("CONNECT", "NO", "BASE TABLE", False),
        ("Aria", "NO", "BASE TABLE", False),
        ("ARCHIVE", "NO", "BASE TABLE", False),
        ("BLACKHOLE", "NO", "BASE TABLE", False),
        ("Columnstore", "YES", "BASE TABLE", None),
        ("OLAP", None, "BASE TABLE", False),
        (None, None, "SYSTEM VIEW", False),
        ("InnoDB", "YES", "SEQUENCE", False),
    ],
)
def test_transactions_are_needed_and_are_not_enough(
    engine: str | None, transactions: str | None, kind: str, expected: bool | None
):
    assert Relation("d", "t", kind, engine, transactions, None).snapshots is expected


@pytest.mark.parametrize("name", SERVERS_WITH_STORAGE_ENGINES)
def test_rows_that_come_between_two_statements_over_myisam_are_what_the_refusal_is_about(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
):
    """With `consistency: none` the summary has two rows and the detail four, and the manifest says that this may be."""
    server: MySQLServer = request.getfixturevalue(name)
    database = server.fresh_database()
    run_on(
        server,
        database,
        ["CREATE TABLE myi (id INT PRIMARY KEY, v INT) ENGINE=MyISAM", "INSERT INTO myi VALUES (1, 1), (2, 2)"],
    )
    insert = insert_once(server, database)
    entry = TableEntry.model_validate(
        {
            "name": "myi",
            "aggregations": [{"function": "COUNT", "alias": "n"}],
            "select_fields": ["*"],
            "consistency": "none",
        }
    )
    request_ = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE)
    extract = read_extract(request_, options_for(server, database), tmp_path, insert)
    assert extract.consistency == "none"
    summary, detail = extract.datasets
    assert [row["n"] for batch in summary.batches() for row in batch.to_pylist()] == [2]
    assert detail.rows == 4


def insert_once(server: MySQLServer, database: str) -> Callable[[str, int, int | None], None]:
    """A progress callback that adds two rows when the summary is done."""
    done: list[bool] = []

    def progress(dataset: str, _rows: int, total: int | None) -> None:
        if dataset == "summary" and total is not None and not done:
            done.append(True)
            run_on(server, database, ["INSERT INTO myi VALUES (3, 3), (4, 4)"])

    return progress
