"""Which table an object literal is about."""

from pathlib import Path

import pytest

from aggregation_pipeline.node_import.code.candidates import Candidate
from aggregation_pipeline.node_import.code.sources import open_project, read_source
from aggregation_pipeline_tests.node_import.projects import written


@pytest.mark.parametrize(
    ("code", "table"),
    [
        ("switch (t) { case 'users': return { groupBy: ['a'] }; }", "users"),
        ("switch (t) { default: return { groupBy: ['a'] }; }", None),
        ("rules['users'] = { groupBy: ['a'] };", "users"),
        ("const defaultRules = { groupBy: ['a'] };", None),
    ],
)
def test_the_table_of_a_literal(tmp_path: Path, code: str, table: str | None):
    project = open_project(written(tmp_path, {"server.js": code}))
    (literal,) = Candidate(read_source(project, project.start)).literals
    assert literal.table == table
