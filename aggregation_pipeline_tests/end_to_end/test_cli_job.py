"""A job from the command line: what it prints, its exit codes, and that no secret is shown."""

import json
import subprocess
import sys

import sqlalchemy as sa
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.end_to_end.shop_job import (
    assert_whole,
    row_of,
    window_folders,
)
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.chosen import once

pytestmark = once


def cli(
    shop: Deployment, *arguments: str, own_process: bool = False, **changes: str
) -> "subprocess.CompletedProcess[str]":
    """Type a command: in this process, or over MariaDB in a process of its own, which takes five times as long.

    What a process adds (its exit code, what Python prints when it ends) is the same whatever server is read.
    """
    if not own_process or shop.source.name != "mariadb":
        said = CliRunner().invoke(main, arguments, env=changes)
        return subprocess.CompletedProcess(arguments, said.exit_code, said.stdout, said.stderr)
    return subprocess.run(
        [sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()", *arguments],
        env=shop.variables(**changes),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_run_prints_one_json_object_and_its_exit_code_tells(shop: Deployment):
    done = cli(shop, "run", "--tables", "users", "--formats", "csv,excel", "--json", own_process=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {"batch_job_id", "batches", "status", "total_items", "tables", "files"}
    assert (said["status"], said["total_items"], said["tables"]) == (
        "completed",
        5,
        {"users": {"status": "completed", "items": 5, "error": None}},
    )
    assert [set(file) for file in said["files"]] == [
        {"table", "format", "dataset", "uri", "rows", "bytes", "crc64"}
    ] * 3
    assert row_of(shop, said["batch_job_id"])["status"] == "completed"

    shop.execute("ALTER TABLE users DROP COLUMN balance")
    failed = cli(shop, "run", "--tables", "users", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["tables"]["users"]["status"] == "failed"


def test_a_batch_jobs_that_is_away_stops_no_export_and_is_told_on_the_terminal(shop: Deployment):
    done = cli(shop, "run", "--tables", "users", "--json", BATCH_JOBS_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    assert done.stderr.startswith("warning batch_jobs: batch_jobs cannot be reached")
    (folder,) = window_folders(shop, "users")
    assert_whole(shop, folder)


def test_a_wrong_table_or_format_is_answered_with_the_right_names(shop: Deployment):
    unknown = CliRunner().invoke(main, ["run", "--tables", "usres"])
    assert (unknown.exit_code, "'usres'" in unknown.output, "users" in unknown.output) == (1, True, True)
    wrong = CliRunner().invoke(main, ["run", "--formats", "pdf"])
    assert (wrong.exit_code, "json, csv, excel, parquet" in wrong.output) == (2, True)


def test_secrets_are_in_no_output_log_or_row(shop: Deployment):
    with shop.source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER secret_reader IDENTIFIED BY 'Hidden-Word-17'")
    secrets = {"DB_USER": "secret_reader", "DB_PASSWORD": "Hidden-Word-17", "LOG_LEVEL": "debug"}
    done = cli(shop, "run", "--tables", "users", own_process=True, **secrets)
    assert done.returncode == 1
    assert "1044" in done.stderr or "1142" in done.stderr, "the reader was let in, and may read nothing"
    logs = "".join(path.read_text(encoding="utf-8") for path in (shop.folder / "logs").glob("*.log"))
    assert "1044" in logs or "1142" in logs
    engine = create_engine(shop.postgres_url, application_name="test")
    with engine.connect() as rows:
        newest = "SELECT status, metadata::text FROM public.batch_jobs ORDER BY created_at DESC LIMIT 1"
        status, row = rows.execute(sa.text(newest)).one()
    engine.dispose()
    assert status == "failed"
    assert "1044" in row or "1142" in row
    assert "Hidden-Word-17" not in done.stdout + done.stderr + logs + row


def test_a_broken_configuration_is_one_message_with_every_mistake(shop: Deployment):
    shop.configure("""
        tables:
          users:
            groupBy: ['status']
            agregations: []
            limit: many
            where: 'id = SLEEP(5)'
        """)
    done = CliRunner().invoke(main, ["run"])
    assert done.exit_code == 1
    for words in ("aggregation.yaml:5:", "agregations", "aggregations", "limit", "SLEEP"):
        assert words in done.output
    assert "Traceback" not in done.output
