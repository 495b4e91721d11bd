"""`diff` on a whole deployment: a run's files against those that the Node service left."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

WINDOW = "2026-11-20"
TICK = "2026-11-20T02:00"


@pytest.fixture
def shop(mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A shop after one tick."""
    shop = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    shop.execute(
        "CREATE TABLE users (id INT PRIMARY KEY, status VARCHAR(20), phone VARCHAR(20), age INT, born DATE)",
        "INSERT INTO users VALUES (1, 'active', '13812345678', 20, '2000-01-01'), (2, 'active', '13912345678', 31,"
        " '1995-05-05'), (3, '停用', NULL, 40, NULL)",
    )
    shop.configure("""
        tables:
          users:
            group_by: [status]
            aggregations: [{function: COUNT, field: id, alias: user_count}, {function: AVG, field: age, alias: avg_age}]
          people:
            table: users
            select_fields: [id, phone, born, age]
            mask: {phone: partial}
    """)
    shop.enter(monkeypatch, DAGSTER_HOME=str(tmp_path), OUTPUT_FORMAT="json")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["run", "--at", TICK])
    assert result.exit_code == 0, result.output
    return shop


def write_old(folder: Path, **tables: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    document = {
        "timestamp": "2026-11-19T18:00:04.000Z",
        "tables": {name: {"success": True, "recordCount": len(rows), "data": rows} for name, rows in tables.items()},
    }
    path = folder / "aggregated_20261120_020004.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
    return path


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff", *arguments])


USERS: list[dict[str, Any]] = [
    {"status": "active", "user_count": 2, "avg_age": "25.5000"},
    {"status": "停用", "user_count": 1, "avg_age": "40.0000"},
]
PEOPLE: list[dict[str, Any]] = [
    {"id": 1, "phone": "13812345678", "born": "1999-12-31T16:00:00.000Z", "age": 20},
    {"id": 2, "phone": "13912345678", "born": "1995-05-04T16:00:00.000Z", "age": 31},
    {"id": 3, "phone": None, "born": None, "age": 40},
]


def test_equal_files_are_equal_and_differences_are_asked_of_the_database(shop: Deployment):
    old = shop.folder / "old"
    write_old(old, users=USERS, people=PEOPLE)
    result = diff("--old", str(old))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "2 equal, 0 different, 0 not compared" in result.stdout

    write_old(
        old, users=[USERS[0] | {"user_count": 3}, USERS[1]], people=[PEOPLE[0] | {"phone": "13800005679"}, *PEOPLE[1:]]
    )
    page = shop.folder / "diff.html"
    result = diff("--old", str(old), "--window", WINDOW, "--html", str(page), "--language", "zh")
    assert result.exit_code == 1
    assert 'status = "active": user_count is "2" in ours, "3" in the old file (the database agrees with ours)' in (
        result.stdout
    )
    assert "13800005679" not in result.stdout + page.read_text("utf-8")
    assert "5679" not in result.stdout + page.read_text("utf-8")
