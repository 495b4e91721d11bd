"""`batch-jobs`: what people see of the rows, and how rows are backfilled and pruned."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from dagster import DagsterEventType, DagsterInstance

from aggregation_pipeline.automation.batch_jobs_retention import build_prune_job, build_prune_schedule
from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline_tests.support.runs import FakeTable, create, new_batch_jobs, open_instance, rows, run

CONFIG = "tables:\n  baidu:\n    aggregations: [{function: COUNT}]\n"


@pytest.fixture(scope="module")
def url(postgres: Any) -> str:
    return str(postgres.fresh_database())


@pytest.fixture(scope="module")
def instance(url: str) -> Iterator[DagsterInstance]:
    with open_instance(url) as opened:
        yield opened


@pytest.fixture
def engine(url: str, postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """Make an empty batch_jobs, and point the commands to it."""
    made = new_batch_jobs(postgres.fresh_database())
    (tmp_path / "aggregation.yaml").write_text(CONFIG)
    (tmp_path / "dagster.yaml").write_text(
        "storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}\ntelemetry: {enabled: false}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGGREGATION_CONFIG", str(tmp_path / "aggregation.yaml"))
    monkeypatch.setenv("DAGSTER_PG_URL", url)
    monkeypatch.setenv("BATCH_JOBS_URL", made.url.render_as_string(hide_password=False))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return made


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["batch-jobs", *arguments])


def json_of(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def add(
    engine: sa.Engine,
    created: datetime,
    status: str = "completed",
    items: int | None = 1,
    kind: str = "data_collection",
) -> str:
    """Insert a row of another program, which has only the necessary columns; return its id."""
    key = str(uuid.uuid4())
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO batch_jobs (id, job_type, status, total_items, created_at) VALUES (:id, :kind, :status,"
                " :items, :at)"
            ),
            {"id": key, "kind": kind, "status": status, "items": items, "at": created},
        )
    return key


def test_backfill_writes_a_row_for_every_run_and_list_and_show_print_it(instance: DagsterInstance, engine: sa.Engine):
    instance.wipe()
    run_id = run(instance, [FakeTable("baidu", 30)])
    assert json_of("backfill") == {"written": 1, "looked_at": 1, "closed": 0, "refused": {}}
    (listed,) = json_of("list")
    assert (listed["id"], listed["status"], listed["total_items"]) == (run_id, "completed", 30)
    assert json_of("list", "--status", "failed") == []
    assert json_of("show", run_id)["metadata"]["results"]["baidu"]["files"][0]["uri"].endswith("/baidu.json")
    shown = call("show", run_id).output
    assert all(word in shown for word in (run_id, "completed", "baidu", "file:///exports/baidu/2026-11-20/baidu.json"))
    assert run_id in call("list").output
    assert call("show", run_id[:8]).output == shown
    assert call("show", run_id.replace("-", "").upper()).output == shown
    (result,) = [call("show", "not an id")]
    assert (result.exit_code, "first characters" in result.output) == (2, True)


def test_rows_of_others_are_listed_as_they_are(engine: sa.Engine):
    key = add(engine, datetime.now(UTC), status="odd [red]status", items=None, kind="other")
    assert json_of("list") == []
    assert "odd [red]status" in call("list", "--job-type", "*").output
    assert key in call("show", key).output


NODE_ROWS: Any = [
    ({"baidu_items": 30, "weibo_items": "50", "errors": ["weibo: timeout"]}, ["30", "50", "weibo: timeout"]),
    ({"results": {"baidu": 30, "weibo": None}, "errors": [{"platform": "weibo", "error": "late"}]}, ["weibo: late"]),
    ({"results": {"baidu": {"files": 3, "items": "many"}, "weibo": {"files": ["a.json", None]}}, "planned": 2}, []),
    ({"results": ["baidu"], "errors": "none", "planned": "baidu"}, []),
    (["no object"], []),
]


@pytest.mark.parametrize(("metadata", "said"), NODE_ROWS)
def test_a_row_of_another_program_is_shown_whatever_its_metadata_holds(
    engine: sa.Engine, metadata: object, said: list[str]
):
    """As the Node.js module and others wrote it: nothing of ours has to be in it."""
    key = add(engine, datetime.now(UTC))
    written = "UPDATE batch_jobs SET metadata = CAST(:metadata AS jsonb), platforms_processed = '{baidu,weibo}'"
    with engine.begin() as connection:
        connection.execute(sa.text(written), {"metadata": json.dumps(metadata)})
    shown, listed = call("show", key), call("list")
    assert (shown.exit_code, listed.exit_code) == (0, 0), (shown.output, listed.output)
    assert all(word in shown.output for word in (key, "baidu", "weibo", *said))
    assert "baidu, weibo" in listed.output


def test_the_beginning_of_several_ids_is_refused_and_the_ids_are_listed(engine: sa.Engine):
    with engine.begin() as connection:
        for last in "12":
            connection.exec_driver_sql(
                f"INSERT INTO batch_jobs (id, job_type) VALUES ('abcdef00-0000-4000-8000-00000000000{last}', 'x')"
            )
    result = call("show", "abcdef")
    assert result.exit_code == 1
    assert all(f"00000000000{last}" in result.output for last in "12")


def test_a_missing_job_is_answered_with_the_command_that_writes_its_row(engine: sa.Engine):
    result = call("show", str(uuid.uuid4()))
    assert (result.exit_code, "batch-jobs backfill` brings it in" in result.output) == (1, True)


def test_the_trend_counts_by_the_days_of_the_time_zone(engine: sa.Engine):
    # 17:00 UTC is the next day in Shanghai.
    late = datetime.now(UTC).replace(hour=17, minute=0, second=0, microsecond=0) - timedelta(days=3)
    add(engine, late, items=10)
    add(engine, late - timedelta(hours=2), status="failed", items=None)
    add(engine, late - timedelta(hours=2), items=5)
    add(engine, late, kind="other")
    add(engine, late - timedelta(days=400))
    days = json_of("trend", "--days", "10")
    assert [(day["date"], day["total_jobs"], day["successful"], day["failed"], day["avg_items"]) for day in days] == [
        (str(late.date() + timedelta(days=1)), 1, 1, 0, 10.0),
        (str(late.date()), 2, 1, 1, 5.0),
    ]
    assert "█" in call("trend", "--days", "10").output


def test_pruning_deletes_our_old_ended_rows_and_nothing_else(instance: DagsterInstance, engine: sa.Engine):
    instance.wipe()
    old, fresh = run(instance, [FakeTable("baidu", 1)]), run(instance, [FakeTable("baidu", 1)])
    still_open = create(instance, [FakeTable("baidu")], DagsterEventType.RUN_START).run_id
    json_of("backfill")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE batch_jobs SET created_at = created_at - interval '40 days', completed_at = completed_at -"
                " interval '40 days' WHERE id <> :fresh"
            ),
            {"fresh": fresh},
        )
    theirs = add(engine, datetime.now(UTC) - timedelta(days=400))
    assert call("prune").exit_code == 2, "nobody said how many days"
    assert json_of("prune", "--days", "30")["deleted"] == 1
    assert set(rows(engine)) == {fresh, still_open, theirs}
    assert old not in rows(engine)


def test_the_daily_job_prunes_like_the_command(instance: DagsterInstance, engine: sa.Engine):
    instance.wipe()
    run_id = run(instance, [FakeTable("baidu", 1)])
    json_of("backfill")
    settings = load_settings()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE batch_jobs SET completed_at = completed_at - interval '40 days'")
    job = build_prune_job(
        open_repository=repository_opener(settings, application_name="test"), deployment="default", days=30
    )
    assert job.execute_in_process(instance=instance).success
    assert run_id not in rows(engine)
    assert build_prune_schedule(job, settings.zone).cron_schedule == "40 4 * * *"


def test_a_run_older_than_the_retention_gets_no_row(
    instance: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    assert Settings(batch_jobs_retention_days=7).batch_jobs_history == timedelta(days=7)
    assert Settings(batch_jobs_retention_days=90).batch_jobs_history == timedelta(days=30)
    assert Settings(batch_jobs_history_days=60).batch_jobs_history == timedelta(days=60)
