"""The job `retention`, its schedule and its command: thin over storage/retention.py, whose promises are proved
there.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance, DefaultScheduleStatus, ExecuteInProcessResult

from aggregation_pipeline.automation.retention import RETENTION_JOB, build_retention_job, delete_expired_files, is_alive
from aggregation_pipeline.batch_jobs.mirror import mirror_run
from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.project import Project, load_project, load_usable_project
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline.storage.published import published_windows
from aggregation_pipeline.storage.run_logs import RunLogs
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.storage.samples import sample_extract
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

CONFIG = "tables:\n  orders: {keep: 1d}\n  users: {keep_last: 2}\n  products: {}\n"
OLD, OLDER = "2020-01-02", "2020-01-01"
NEW = "2999-01-01"


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.fresh_database()


@pytest.fixture(scope="module")
def instance(url: str) -> Iterator[DagsterInstance]:
    with open_instance(url) as opened:
        yield opened


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> FolderStore:
    """Three windows of each of three tables, in a folder that the environment names."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    given = {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(tmp_path / "aggregation.yaml"),
        "STORAGE_DIR": str(tmp_path / "exports"),
        "OSS_PREFIX": "daily",
        "DAGSTER_PG_URL": url,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    filled = FolderStore(tmp_path / "exports")
    for table in ("orders", "users", "products"):
        for window in (OLDER, OLD, NEW):
            publish(
                filled,
                sample_extract(tmp_path / "extract", table=table, window=window),
                tmp_path / "out",
                run="run",
                formats="json",
            )
    return filled


@pytest.fixture
def project(store: FolderStore) -> Project:
    return load_project(load_settings())


def left(store: FolderStore, table: str) -> list[str]:
    return [window for _, window in published_windows(store, "daily", table)]


def run(project: Project, instance: DagsterInstance, *, dry_run: bool = False) -> ExecuteInProcessResult:
    config = {"ops": {"delete_expired": {"config": {"dry_run": True}}}} if dry_run else {}
    return build_retention_job(project).execute_in_process(instance=instance, run_config=config, raise_on_error=False)


def said(instance: DagsterInstance, result: ExecuteInProcessResult) -> str:
    return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))


def test_the_job_deletes_what_the_config_lets_go_and_nothing_else(
    project: Project, instance: DagsterInstance, store: FolderStore
):
    assert run(project, instance, dry_run=True).success
    assert left(store, "orders") == [OLDER, OLD, NEW]
    result = run(project, instance)
    assert result.success
    assert left(store, "orders") == [NEW]
    assert left(store, "users") == [OLD, NEW]
    assert left(store, "products") == [OLDER, OLD, NEW]
    assert f"orders {OLDER}: 7 objects" in said(instance, result)


def test_the_job_deletes_what_runs_printed_long_ago(project: Project, instance: DagsterInstance, store: FolderStore):
    logs = RunLogs(store, "daily")
    keys = [logs.key([run_id, "compute_logs", "abc"], "err") for run_id in ("old", "new")]
    for key, days in zip(keys, (31, 29), strict=True):
        logs.save(key, b"a line")
        written = time.time() - days * 86_400
        os.utime(store.root / key, (written, written))
    assert run(project, instance, dry_run=True).success
    assert logs.find(keys[0])
    result = run(project, instance)
    assert "logs of runs older than 30 days: 1 objects" in said(instance, result)
    assert [logs.find(key) is None for key in keys] == [True, False]


def test_a_table_that_has_to_be_left_alone_fails_the_job_after_the_others_are_done(
    project: Project, instance: DagsterInstance, store: FolderStore
):
    store.put(manifest_key("daily", "orders", OLD), b"{}", media_type="application/json")
    result = run(project, instance)
    assert not result.success
    assert left(store, "users") == [OLD, NEW]
    (failure,) = [event for event in result.get_step_failure_events() if event.step_key == "delete_expired"]
    assert "is not a manifest of version 1 or 2" in failure.step_failure_data.error_display_string


def test_a_window_that_is_being_published_is_waited_for_and_a_dry_run_does_not_wait(
    project: Project, store: FolderStore, url: str
):
    lines: list[str] = []

    def sweep(*, dry_run: bool) -> None:
        delete_expired_files(
            project,
            holder="retention",
            alive=lambda _run: False,
            report=lines.append,
            dry_run=dry_run,
            now=datetime.now(UTC),
        )

    with window_lock(url, "daily", "orders", OLDER, holder="a publisher", on_wait=lines.append):
        sweep(dry_run=True)
        sweeping = threading.Thread(target=sweep, kwargs={"dry_run": False})
        sweeping.start()
        deadline = time.monotonic() + 20
        while not any("held by a publisher" in line for line in lines) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert left(store, "orders") == [OLDER, OLD, NEW]
    sweeping.join(20)
    assert left(store, "orders") == [NEW]


def test_weeks_and_months_age_from_their_end_and_an_entry_that_cannot_be_used_lets_nothing_go(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "aggregation.yaml").write_text(
        """
        tables:
          orders: {keep: 10d, partition: {column: created_at, every: week, start: 2020-01-06}, select_fields: [id]}
          users: {keep: 10d, partition: {column: created_at, every: month, start: 2020-01-01}, select_fields: [id]}
          products: {keep: 1d, keep_versions: none, select_fields: [id]}
        """,
        encoding="utf-8",
    )
    project = load_usable_project(load_settings(), None)
    began = datetime(2020, 1, 2, tzinfo=UTC)

    def gone(days: int) -> list[tuple[str, str]]:
        swept = delete_expired_files(
            project,
            holder="test",
            alive=lambda _run: False,
            report=print,
            dry_run=True,
            now=began + timedelta(days=days),
        )
        return [(each.table, each.window) for each in swept.windows]

    assert gone(15) == []
    assert gone(18) == [("orders", OLDER), ("orders", OLD)]
    assert gone(43) == [("orders", OLDER), ("orders", OLD), ("users", OLDER), ("users", OLD)]


def test_what_a_run_that_is_at_work_has_sent_stays(
    project: Project, instance: DagsterInstance, store: FolderStore, tmp_path: Path
):
    run_id = instance.create_run_for_job(build_retention_job(project)).run_id
    folder = f"daily/products/{NEW}/{run_id}"
    mark = {"version": 1, "files": ["products.json"]}
    store.put(f"{folder}/publication.json", json.dumps(mark).encode(), media_type="application/json")
    store.put(f"{folder}/products.json", b"{}", media_type="application/json")
    now = datetime.now(UTC) + timedelta(days=2)

    def versions() -> list[str]:
        alive = partial(is_alive, instance)
        swept = delete_expired_files(project, holder="test", alive=alive, report=print, dry_run=True, now=now)
        return [key for each in swept.versions for key in each.keys]

    assert versions() == []
    instance.delete_run(run_id)
    assert versions() == [f"{folder}/products.json", f"{folder}/publication.json"]


def test_the_command_shows_and_then_deletes_the_same(store: FolderStore):
    dry = CliRunner().invoke(main, ["retention", "--dry-run", "--json"])
    assert dry.exit_code == 0, dry.output
    planned = json.loads(dry.stdout)
    assert [(gone["table"], gone["window"]) for gone in planned["windows"]] == [
        ("orders", OLDER),
        ("orders", OLD),
        ("users", OLDER),
    ]
    assert f"orders {OLDER}: 7 objects would go" in dry.stderr
    real = CliRunner().invoke(main, ["retention", "--json"])
    assert json.loads(real.stdout) == {**planned, "dry_run": False}
    assert all(store.head(key) is None for gone in planned["windows"] for key in gone["keys"])


def test_extracts_go_after_the_days_that_are_set(store: FolderStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXTRACT_KEEP_DAYS", "3")
    result = CliRunner().invoke(main, ["retention", "--dry-run"])
    assert "extracts older than 3 days: 0 objects would go" in result.stdout


def test_the_schedule_runs_every_day_in_the_deployments_time_zone(project: Project):
    definitions = build_definitions(project)
    schedule = definitions.resolve_schedule_def("retention_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 5 * * *", "Asia/Shanghai")
    assert schedule.default_status == DefaultScheduleStatus.RUNNING
    assert definitions.resolve_job_def(RETENTION_JOB).name == "retention"


def test_a_pass_is_no_row_of_batch_jobs(project: Project, instance: DagsterInstance):
    result = run(project, instance, dry_run=True)
    with repository_opener(project.settings, application_name="test")(10) as rows:
        rows.ensure_table()
        owner = Owner("test", "one")
        outcome = mirror_run(
            instance,
            result.run_id,
            repository=rows,
            owner=owner,
            platforms=project.platforms,
            job_type="data_collection",
        )
    assert outcome == "foreign"
