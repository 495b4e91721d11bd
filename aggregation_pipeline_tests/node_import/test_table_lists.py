"""The tables that run are those that the old service read, and no other."""

from pathlib import Path

import pytest

from aggregation_pipeline.node_import.code.sources import open_project
from aggregation_pipeline.node_import.rules import FoundRules, TableRules
from aggregation_pipeline.node_import.table_lists import Listed, tables_of
from aggregation_pipeline_tests.node_import.projects import written

RULES = ("users", "orders", "logs")


def listed_in(folder: Path, code: str, env: str = "", rules: tuple[str, ...] = RULES) -> Listed:
    found = FoundRules({table: TableRules(table, {}, "") for table in rules})
    project = open_project(written(folder, {"server.js": code}))
    return tables_of(project, found, {"AGGREGATION_TABLES": env} if env else {})


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("const TABLES = ['users', 'items'];", "server.js:1"),
        ("class A {\n  tables = ['users', 'items'];\n}", "server.js:2"),
        ("this.tableNames = ['users', 'items'];", "server.js:1"),
        ("run({ tables: ['users', 'items'] })", "server.js:1"),
        ("const TABLES_TO_EXPORT = ['users', 'items'], tableHeaders = ['a'], skipTables = ['users'];", "server.js:1"),
        ("const tables = process.env.AGGREGATION_TABLES || 'users,items';", "server.js:1"),
    ],
)
def test_a_list_in_the_code_counts(tmp_path: Path, code: str, place: str):
    assert listed_in(tmp_path, code) == Listed(["users", "items"], place, [])


def test_the_variable_counts_if_the_code_reads_it(tmp_path: Path):
    code = "const { AGGREGATION_TABLES } = process.env; const TABLES = ['users'];"
    assert listed_in(tmp_path, code, "logs, mall.users") == Listed(["logs", "mall.users"], ".env")


def test_a_variable_that_nothing_reads_decides_nothing_and_is_said(tmp_path: Path):
    listed = listed_in(tmp_path, "const TABLES = ['users'];", "logs")
    assert listed.names == ["users"]
    assert [(item.kind, item.what) for item in listed.items] == [("not carried", "AGGREGATION_TABLES")]


def test_without_a_list_the_tables_with_rules_run(tmp_path: Path):
    assert listed_in(tmp_path, "const other = ['products'];").names == list(RULES)


def test_several_lists_are_said(tmp_path: Path):
    listed = listed_in(tmp_path, "const tables = ['users'];\nconst dailyTables = ['orders'];")
    assert listed.names == list(RULES)
    assert "several lists of tables, at server.js:1, server.js:2" in listed.items[0].text
