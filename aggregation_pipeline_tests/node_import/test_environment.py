"""Variables that the Node service has from elsewhere than `.env`."""

import json
from pathlib import Path

import pytest

from aggregation_pipeline.node_import.code.sources import NodeProject, open_project
from aggregation_pipeline.node_import.environment import notes_of_environment, start_variables
from aggregation_pipeline.node_import.importing import import_project
from aggregation_pipeline_tests.node_import.projects import RULES, written
from aggregation_pipeline_tests.support.npm_packages import node_path


def project_of(folder: Path, start: str, code: str = "") -> NodeProject:
    package = json.dumps({"main": "server.js", "scripts": {"start": start}})
    return open_project(written(folder, {"package.json": package, "server.js": code}))


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("TZ=Asia/Tokyo NODE_OPTIONS=--trace node server.js", {"TZ": "Asia/Tokyo"}),
        (
            "cross-env NODE_ENV=production 'DB_NAME=my shop' node server.js",
            {"NODE_ENV": "production", "DB_NAME": "my shop"},
        ),
        ("PORT=$MY_PORT node server.js --name=x", {}),
        ("node 'server.js", {}),
    ],
)
def test_variables_of_the_start_script_are_read(tmp_path: Path, start: str, found: dict[str, str]):
    assert start_variables(project_of(tmp_path, start)) == found


@pytest.mark.parametrize(
    ("start", "code", "names"),
    [
        ("node --env-file=prod.env server.js", "", ["prod.env"]),
        ("node --env-file .env server.js", "", []),
        ("dotenv -e conf/.env.live -- node server.js", "", ["conf/.env.live"]),
        ("node server.js", "require('dotenv').config({ path: './config/prod.env' })", ["./config/prod.env"]),
        (
            "node server.js",
            "require('dotenv').config({ path: `.env.${process.env.STAGE}` })",
            [".env.${process.env.STAGE}"],
        ),
        ("node server.js", "require('dotenv').config({ path: path.join(__dirname, '../.env') }); process.env.env", []),
    ],
)
def test_other_files_of_variables_are_named(tmp_path: Path, start: str, code: str, names: list[str]):
    assert [item.what for item in notes_of_environment(project_of(tmp_path, start, code), {})] == names


def test_values_that_the_old_code_expands_are_named_without_the_value(tmp_path: Path):
    code = "require('dotenv-expand').expand(require('dotenv').config())"
    (item,) = notes_of_environment(project_of(tmp_path, "node server.js", code), {"A": "b$C", "D": "e"})
    assert (item.kind, item.what, "b$C" in item.text) == ("not carried", "A", False)


def test_the_start_script_wins_over_the_env_file(tmp_path: Path):
    node_path()
    project_of(tmp_path, "TZ=Asia/Tokyo node server.js", f"module.exports = {{ tableConfigs: {RULES} }};")
    (tmp_path / ".env").write_text("TZ=UTC\n", "utf-8")
    imported = import_project(tmp_path)
    assert "\nTIMEZONE=Asia/Tokyo\n" in imported.env
    assert [item.place for item in imported.items if item.what == "TZ"] == ["package.json"]
