"""Rules that change while the service runs, and limits for those without one, are found in code that is not run."""

from pathlib import Path

import pytest

from aggregation_pipeline.node_import.code.elsewhere import changed_later, limits_in
from aggregation_pipeline.node_import.code.sources import open_project
from aggregation_pipeline.node_import.importing import import_project
from aggregation_pipeline_tests.node_import.projects import OLD_SERVICE, written
from aggregation_pipeline_tests.support.npm_packages import node_path


@pytest.mark.parametrize(
    ("code", "is_change"),
    [
        ("rules.users.limit = 5", True),
        ("rules['users'].where = x", True),
        ("rules.users.groupBy.push('city')", True),
        ("rules.users = {}", True),
        ("delete rules.users", True),
        ("if (rules.users.limit == 5) run(rules.users)", False),
        ("this.users.name = 'x'; const users = rules.users", False),
        ("rules.orders.limit = 5", False),
    ],
)
def test_rules_that_are_changed_are_found(tmp_path: Path, code: str, is_change: bool):
    project = open_project(written(tmp_path, {"server.js": code}))
    assert list(changed_later(project, {"users"}, ())) == ([("users", "server.js:1")] if is_change else [])
    assert list(changed_later(project, {"users"}, {project.start})) == []


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("function f({ where, limit = 500 } = {}) {}", [500]),
        ("const rows = rule.limit || 200; const DEFAULT_LIMIT = 300;", [200, 300]),
        ("query(`SELECT * FROM ${t} LIMIT ${rule.limit ?? 400}`)", [400]),
        ("const rules = { limit: 5 }; const limit = req.query.limit || 20; run(`SELECT 1 LIMIT 1`)", []),
    ],
)
def test_limits_for_rules_without_one_are_found(tmp_path: Path, code: str, limits: list[int]):
    found = limits_in(open_project(written(tmp_path, {"server.js": code})))
    assert list(found) == [(limit, "server.js:1") for limit in limits]


def test_both_are_left_to_do(tmp_path: Path):
    node_path()
    code = OLD_SERVICE["services/DataAggregator.js"].replace("1000", "500")
    start = "const { Scheduler } = require('./services/SchedulerService'); Scheduler.rules.users.limit = 7;"
    imported = import_project(
        written(tmp_path, {**OLD_SERVICE, "services/DataAggregator.js": code, "server.js": start})
    )
    left = {(item.what, item.place) for item in imported.items if item.kind == "not carried"}
    assert {("limit", "services/DataAggregator.js:3"), ("users", "server.js:1")} <= left
