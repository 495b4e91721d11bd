"""`plan` says what `run` does: it refuses the same settings in the same words, and names what `run` writes."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.sql.table_names import as_segment
from aggregation_pipeline_tests.support.deployment import Deployment, use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@pytest.mark.parametrize(
    "cron", ["0 0 0 31 2 *", "61 * * * *", "every day", "* * * * * *", "0 2 * * 8", "0 2 * *", " "]
)
def test_plan_refuses_a_bad_cron_schedule_exactly_as_run_does(
    cron: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tmp_path / "aggregation.yaml"
    config.write_text("tables: {users: {}}\n", encoding="utf-8")
    use_environment(
        monkeypatch,
        {
            "AGGREGATION_ENV_FILE": os.devnull,
            "AGGREGATION_CONFIG": str(config),
            "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1:1/none",
            "STORAGE_DIR": str(tmp_path / "exports"),
            "CRON_SCHEDULE": cron,
        },
    )
    monkeypatch.chdir(tmp_path)
    plan, run = (CliRunner().invoke(main, [command]) for command in ("plan", "run"))
    assert (plan.exit_code, plan.stdout) == (run.exit_code, run.stdout) == (1, "")
    assert plan.stderr == run.stderr
    assert "CRON_SCHEDULE: the cron expression" in plan.stderr


def json_of(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def as_written(text: str, table: dict[str, Any], run_id: str, exports: Path) -> str:
    """A planned key or address, with the run's id, and the minute that a run of a whole table stands for."""
    (folder,) = {path.parent.name for path in exports.glob(f"{as_segment(table['table'])}/*/manifest.json")}
    return text.replace("<run>", run_id).replace("%3Crun%3E", run_id).replace(f"/{table['window']}/", f"/{folder}/")


def check_node_files(planned: list[dict[str, Any]], exports: Path) -> None:
    """A partitioned table is in none of the files of compat: node; a run over some tables of a job writes none."""
    (job,) = planned
    assert (job["job"], job["tables"], job["timezone"]) == ("aggregate", ["copied", "whole"], "Asia/Shanghai")
    written = {
        re.sub(r"\d+", "0", path.relative_to(exports).as_posix()) for path in exports.glob("data-aggregation/**/*.*")
    }
    assert {re.sub(r"\d+", "0", file["key"]) for file in job["files"]} == written
    assert len(written) == 4
    shown = CliRunner().invoke(main, ["plan"]).stdout
    assert "compat: node  after each run over all tables of aggregate\n  tables    copied, whole\n" in shown
    assert "  schedule  0 2 * * * (Asia/Shanghai)\n" in shown
    assert shown.count(f"  file      {exports}/data-aggregation/") == 4
    assert json_of("plan", "--tables", "whole")["node_files"] == []
    assert "compat: node  no files: they follow a run" in CliRunner().invoke(main, ["plan", "--tables", "whole"]).stdout


def test_plan_names_the_objects_that_a_run_writes(
    mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Partitioned and whole, with stable names and without, with names of files that the user chose."""
    shop = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    shop.execute(
        "CREATE TABLE orders (id INT PRIMARY KEY, created_at DATETIME)",
        "INSERT INTO orders VALUES (1, NOW() - INTERVAL 1 DAY)",
    )
    partition = "partition: {column: created_at, every: month, start: 2026-01-01}"
    shop.configure(f"""
        compat: {{node: {{formats: all}}}}
        options: {{fileNames: '{{dataset}}-{{table}}'}}
        tables:
          orders: {{select_fields: [id], formats: [csv, excel], {partition}}}
          订单/v1: {{table: orders, select_fields: [id], formats: [csv, json], names: none, {partition}}}
          copied: {{table: orders, select_fields: [id], formats: [csv, json], names: copy}}
          whole: {{table: orders, group_by: [id], select_fields: [id], names: none}}
        """)
    shop.enter(monkeypatch)
    monkeypatch.chdir(tmp_path)
    plan = json_of("plan")
    planned = plan["tables"]
    result = json_of("run")
    check_node_files(plan["node_files"], shop.exports)
    runs = {table: batch["batch_job_id"] for batch in result["batches"] for table in batch["tables"]}
    assert [len(table["files"]) for table in planned] == [3, 3, 3, 7]
    uris, keys = (
        {
            as_written(file[name], table, runs[table["table"]], shop.exports)
            for table in planned
            for file in table["files"]
            if not (name == "uri" and file["format"] == "manifest")
        }
        for name in ("uri", "key")
    )
    assert uris == {file["uri"] for file in result["files"]}
    assert [key for key in keys if not (shop.exports / key).is_file()] == []
    shutil.rmtree(shop.exports / "data-aggregation")
    # Beside them are only the folders of the runs, and what keeps up with the newest window.
    ids = {*runs.values(), "latest", "latest.json", "_extracts"}
    rest = {path.relative_to(shop.exports) for path in shop.exports.rglob("*") if path.is_file()} - set(map(Path, keys))
    assert [path for path in rest if not ids & set(path.parts)] == []
