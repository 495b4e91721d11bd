"""`diff` on a whole deployment: a run's files against those that the Node service left.

Few tests, because a deployment takes seconds to make.
"""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.cli import diff_windows
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
        "CREATE TABLE orders (id INT PRIMARY KEY, created_at DATETIME, total DECIMAL(10,2))",
        "INSERT INTO orders VALUES (1, '2026-11-19 10:00:00', 1.5), (2, '2026-11-20 01:00:00', 2.5)",
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
          orders:
            select_fields: [id, total]
            partition: {column: created_at, every: day, start: 2026-11-01}
    """)
    shop.enter(monkeypatch, DAGSTER_HOME=str(tmp_path), OUTPUT_FORMAT="json")
    monkeypatch.setattr(diff_windows, "current_time", lambda: datetime.fromisoformat(f"{TICK}:40+08:00"))
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


ORDERS: list[dict[str, Any]] = [{"id": 1, "total": "1.50"}]


def test_equal_files_are_equal_and_differences_are_asked_of_the_database(shop: Deployment):
    old = shop.folder / "old"
    write_old(old, users=USERS, people=PEOPLE, orders=ORDERS)
    result = diff("--old", str(old))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 equal, 0 different, 0 not compared" in result.stdout
    assert "orders 2026-11-19: equal" in result.stdout

    people = [PEOPLE[0] | {"phone": "13800005679"}, *PEOPLE[1:]]
    write_old(
        old, users=[USERS[0] | {"user_count": 3}, USERS[1]], people=people, orders=[ORDERS[0] | {"total": "1.51"}]
    )
    page = shop.folder / "diff.html"
    result = diff("--old", str(old), "--html", str(page), "--language", "zh")
    assert result.exit_code == 1
    for words in (
        'status = "active": user_count is "2" in ours, "3" in the old file (the database agrees with ours)',
        'id = "1": total is "1.50" in ours, "1.51" in the old file (the database agrees with ours)',
        'phone is "138****5678" in ours, "(masked)" in the old file (the database agrees with ours)',
    ):
        assert words in result.stdout
    html = page.read_text("utf-8")
    assert "数据库与新文件一致" in html
    assert "5679" not in result.stdout + html

    # A table without a file is not compared; the others are.
    write_old(old, users=USERS, people=PEOPLE)
    result = diff("--old", str(old), "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["exit_code"], document["equal"]) == (2, 2, False)
    assert [(table["table"], table["status"]) for table in document["tables"]] == [
        ("users", "equal"),
        ("people", "equal"),
        ("orders", "not_compared"),
    ]
    assert "has no table 'orders'; it has users, people" in document["tables"][2]["problem"]
    result = diff("--old", str(old), "--table", "users", "--window", WINDOW, "--ask", "0")
    assert result.exit_code == 0
    assert "1 equal, 0 different, 0 not compared" in result.stdout

    for arguments, words in (
        (("--old", str(old / "none")), "there is no such file or folder"),
        (("--old", str(old), "--table", "user"), "users"),
        (("--old", str(old), "--window", "yesterday"), "a day such as 2026-11-20"),
        (("--old", "oss://bucket"), "no OSS is configured"),
        ((), "--old says where"),
        (("--old", str(old), "--node-timezone", "Shanghai time"), "a time zone such as"),
        (("--old", str(old), "--within", "soon"), "a length of time"),
    ):
        result = diff(*arguments)
        assert result.exit_code == 2
        assert words in result.stderr
    result = diff("--old", str(old), "--table", "users", "--at", "2026-10-01")
    assert result.exit_code == 2
    assert "no file within 12 h of 2026-10-01 00:00" in result.stdout


def test_a_table_whose_runs_fail_is_not_equal_and_does_not_hide_the_others(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    old, page = shop.folder / "old", shop.folder / "diff.html"
    write_old(old, users=USERS, people=PEOPLE, orders=ORDERS)
    # The next day people could not be read, and nothing of orders was ever published.
    monkeypatch.setattr(diff_windows, "current_time", lambda: datetime.fromisoformat("2026-11-21T02:05+08:00"))
    for folder in shop.exports.glob("**/users/2026-11-20"):
        shutil.copytree(folder, folder.with_name("2026-11-21"))
    for folder in shop.exports.glob("**/orders"):
        shutil.rmtree(folder)
    for latest in shop.exports.glob("**/users/latest.json"):
        latest.write_text(latest.read_text("utf-8").replace("2026-11-20", "2026-11-21T0100"), encoding="utf-8")
    for manifest in shop.exports.glob("**/users/2026-11-21/**/manifest.json"):
        manifest.write_text(manifest.read_text("utf-8").replace("2026-11-20", "2026-11-21"), encoding="utf-8")
    write_old(old, users=USERS, people=PEOPLE, orders=ORDERS).rename(old / "aggregated_20261121_020004.json")

    result = diff("--old", str(old), "--json", "--html", str(page))
    assert result.exit_code == 2
    users, people, orders = json.loads(result.stdout)["tables"]
    # A run by hand at 01:00 has the later name; the tick's window is compared.
    assert (users["table"], users["window"], users["status"]) == ("users", "2026-11-21", "equal")
    assert (people["table"], people["status"]) == ("people", "not_compared")
    assert "no window of the last tick, 2026-11-21 02:00 (Asia/Shanghai), is published" in people["problem"]
    assert "`aggregation-pipeline batch-jobs list` shows which" in people["problem"]
    assert (orders["table"], orders["window"], orders["status"]) == ("orders", "latest", "not_compared")
    assert "nothing is published yet" in orders["problem"]
    assert "nothing is published yet" in page.read_text("utf-8")

    write_old(old, users=USERS, people=PEOPLE)
    result = diff("--old", str(old), "--table", "people", "--window", WINDOW)
    assert (result.exit_code, "1 equal, 0 different, 0 not compared" in result.stdout) == (0, True)
    result = diff("--old", str(old), "--table", "people", "--window", "2026-11-20-14:00")
    assert (result.exit_code, "has no partitions" in result.stdout) == (2, True)


@pytest.mark.slow
def test_the_variable_tz_says_how_old_moments_are_read(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    old, env = shop.folder / "old", shop.folder / ".env"
    write_old(old, people=PEOPLE)
    monkeypatch.setenv("AGGREGATION_ENV_FILE", str(env))
    in_shanghai = ("--old", str(old), "--table", "people", "--node-timezone", "Asia/Shanghai")

    env.write_text("TZ=UTC\n", encoding="utf-8")
    result = diff("--old", str(old), "--file", "aggregated_20261120_020004.json", "--table", "people")
    assert result.exit_code == 1
    assert "Node process's zone is taken from TZ: UTC. TIMEZONE is Asia/Shanghai" in result.stderr
    assert 'born is "2000-01-01" in ours, "1999-12-31T16:00:00.000Z" in the old file' in result.stdout
    result = diff(*in_shanghai)
    assert (result.exit_code, result.stderr) == (0, "")

    env.write_text("TZ=CST-8\n", encoding="utf-8")
    result = diff("--old", str(old), "--table", "people")
    assert result.exit_code == 2
    assert "TZ: an IANA time zone such as Asia/Shanghai is expected, 'CST-8' is none" in result.stderr
    assert "--node-timezone" in result.stderr

    # What JSON has published does not tell a date from a text.
    for extract in shop.exports.rglob("_extracts"):
        shutil.rmtree(extract)
    result = diff(*in_shanghai)
    assert result.exit_code == 2
    assert "its extract has expired (EXTRACT_KEEP_DAYS), and no Parquet is published" in result.stdout
