"""Rules that may be somewhere are not taken for none: a table without rules would take all rows and columns."""

import json
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.sources import open_project
from aggregation_pipeline.node_import.code.unseen import unseen_rules
from aggregation_pipeline.node_import.importing import import_project
from aggregation_pipeline_tests.node_import.projects import RULES, written
from aggregation_pipeline_tests.support.npm_packages import node_path

PACKAGE = json.dumps({"name": "service", "main": "server.js", "_moduleAliases": {"root": "."}})


def project_of(code: str) -> dict[str, str]:
    return {"package.json": PACKAGE, "server.js": code, "lib/none.json": "{}"}


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("run(require('#rules'))", "loads #rules, an alias"),
        ("import rules from '@/lib/rules'; run(rules)", "loads @/lib/rules, an alias"),
        ("run(require('root/lib/rules'))", "loads root/lib/rules, an alias"),
        ("run(require('service/lib/rules'))", "loads service/lib/rules, an alias"),
        ("run(require('config').get('tableConfigs'))", "loads the package config"),
        ("run(require('@acme/table-rules'))", "loads the package @acme/table-rules"),
        ("run(yaml.load(fs.readFileSync('config/rules.yml')))", "has the name of config/rules.yml"),
        ("run(JSON.parse(fs.readFileSync(path.join(process.cwd(), 'rules.json'))))", "has the name of rules.json"),
        ("run(require('./lib/' + name))", "by a name that is computed"),
        ("require('dotenv/config'); require('express'); run(require('./lib/none.json'), './package.json')", None),
    ],
)
def test_where_rules_may_be_is_told_with_its_place(tmp_path: Path, code: str, place: str | None):
    told = list(unseen_rules(open_project(written(tmp_path, project_of(code)))))
    assert [each for each in told if place is None or not (each.startswith("server.js:1 ") and place in each)] == []
    assert len(told) == (place is not None)


def test_a_table_gets_no_entry_where_its_rules_may_be_what_was_not_seen(tmp_path: Path):
    node_path()
    files = project_of("run(require('#rules'), process.env.AGGREGATION_TABLES)")
    written(tmp_path, {**files, ".env": "AGGREGATION_TABLES=users\n", "lib/rules.js": f"module.exports = {RULES};"})
    with pytest.raises(ImportNodeError, match=r"users: no rules of it were found, and .* lib/rules.js has some"):
        import_project(tmp_path)
