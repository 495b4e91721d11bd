"""What is collected after real runs, on a real PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from aggregation_pipeline.metrics.exposition import Metrics, encode
from aggregation_pipeline.metrics.sources import open_sources
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline_tests.metrics.observed import Observed, observed
from aggregation_pipeline_tests.metrics.parsed import families, value
from aggregation_pipeline_tests.support.runs import FakeTable, run

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="module")
def deployment(postgres: "PostgresServer", server_folder: Path) -> Iterator[Observed]:
    with observed(postgres.fresh_database(), server_folder / "metrics") as made:
        yield made


@contextmanager
def opened(deployment: Observed, settings: Settings | None = None) -> Iterator[Metrics]:
    """Open the sources as a web process that starts now."""
    settings = settings or deployment.settings
    project = CurrentProject(settings)
    workspace = WorkspaceFileTarget([str(deployment.workspace)])
    with (
        WorkspaceProcessContext(deployment.instance, workspace) as context,
        open_sources(settings, context, lambda: [table.entry for table in project().tables]) as sources,
    ):
        yield Metrics(sources, ())


def collected(metrics: Metrics) -> str:
    for source in metrics.sources:
        if (asking := source.ask()) is not None:
            asking.result(60)
    return encode(metrics, "")[0].decode()


def test_real_runs_are_told_by_table(deployment: Observed):
    with opened(deployment) as metrics:
        text = collected(metrics)
    assert {
        source: value(text, "aggregation_collection_success", source=source) for source in ("dagster", "batch_jobs")
    } == {
        "dagster": 1,
        "batch_jobs": 1,
    }
    runs = {status: value(text, "aggregation_last_day_runs", status=status) for status in ("completed", "failed")}
    assert runs == {"completed": 1, "failed": 1}
    assert value(text, "aggregation_last_day_failed_ratio") == 0.5
    rows = {
        table: value(text, "aggregation_last_day_rows", table=table) for table in ("orders", "用户", "other", "gone")
    }
    assert rows == {"orders": 60, "用户": 12, "other": 5, "gone": None}
    assert value(text, "aggregation_last_day_bytes", table="orders") == 600
    assert value(text, "aggregation_last_day_files", table="orders") == 2
    assert value(text, "aggregation_last_day_seconds", table="orders", stage="read") == 0.25
    assert value(text, "aggregation_last_day_uploads", table="broken", result="failed") == 1
    assert {
        table: value(text, "aggregation_table_failing", table=table) for table in ("orders", "broken", "never_run")
    } == {
        "orders": 0,
        "broken": 1,
        "never_run": None,
    }


def test_what_dagster_knows_is_told(deployment: Observed):
    with opened(deployment) as metrics:
        text = collected(metrics)
    now = time.time()
    unfinished = {
        status: value(text, "aggregation_unfinished_runs", status=status)
        for status in ("not_started", "queued", "starting", "started", "canceling")
    }
    assert unfinished == {"not_started": 0, "queued": 1, "starting": 0, "started": 1, "canceling": 0}
    assert value(text, "aggregation_daemon_heartbeat_timestamp_seconds", thread="sensor") == pytest.approx(now, abs=600)
    published = {
        table: value(text, "aggregation_table_published_timestamp_seconds", table=table)
        for table in ("orders", "用户", "broken", "never_run", "other")
    }
    assert published["orders"] == pytest.approx(now, abs=600)
    assert published["用户"] == pytest.approx(now, abs=600)
    assert [table for table, moment in published.items() if moment is None] == ["broken", "never_run", "other"]
    late = {table: value(text, "aggregation_table_late", table=table) for table in ("orders", "用户", "broken")}
    assert late == {"orders": 1, "用户": 0, "broken": None}


def test_windows_that_wait_for_a_refresh_are_told_of_the_tables_that_have_one(deployment: Observed):
    with opened(deployment) as metrics:
        text = collected(metrics)
    told = {
        name: [
            value(text, f"aggregation_refresh_{name}", table=table) for table in ("changing", "never_asked", "orders")
        ]
        for name in ("look_timestamp_seconds", "waiting_windows", "waiting_since_timestamp_seconds", "unknown_windows")
    }
    assert told == {
        "look_timestamp_seconds": [datetime(2026, 11, 5, tzinfo=UTC).timestamp(), None, None],
        "waiting_windows": [3, None, None],
        "waiting_since_timestamp_seconds": [datetime(2026, 11, 4, tzinfo=UTC).timestamp(), None, None],
        "unknown_windows": [2, None, None],
    }
    assert value(text, "aggregation_refresh_problem", table="changing") == 0
    assert value(text, "aggregation_refresh_waiting_windows", table="other") is None


def test_two_web_processes_and_one_that_starts_again_say_the_same(deployment: Observed):
    with opened(deployment) as one, opened(deployment) as other:
        before, beside = figures(collected(one)), figures(collected(other))
    with opened(deployment) as again:
        after = figures(collected(again))
    assert before == beside == after
    assert before


def figures(text: str) -> dict[str, object]:
    return {
        name: sorted((tuple(sample.labels.items()), sample.value) for sample in family.samples)
        for name, family in families(text).items()
        if name.startswith(("aggregation_last_day", "aggregation_table", "aggregation_unfinished"))
    }


def test_what_is_planned_is_not_published(deployment: Observed):
    """Dagster's own column for the last materialization moves with a plan."""

    def look(_context: object) -> None:
        with opened(deployment) as metrics:
            seen.append(value(collected(metrics), "aggregation_table_published_timestamp_seconds", table="planned"))

    seen: list[float | None] = []
    run(deployment.instance, [FakeTable("planned", action=look)])
    assert seen == [None]
    with opened(deployment) as metrics:
        assert value(collected(metrics), "aggregation_table_published_timestamp_seconds", table="planned")


def test_a_configuration_that_cannot_be_read_leaves_the_tables_as_they_were(
    deployment: Observed, monkeypatch: pytest.MonkeyPatch
):
    config = deployment.settings.aggregation_config
    assert config is not None
    text = config.read_text(encoding="utf-8")
    passed, real = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])
    with opened(deployment) as metrics:
        before = collected(metrics)
        config.write_text("tables: [", encoding="utf-8")
        try:
            passed[0] = 30
            assert figures(collected(metrics)) == figures(before)
        finally:
            config.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "where",
    [{"supabase_url": "http://127.0.0.1:1", "supabase_key": "k"}, {"batch_jobs_url": "postgresql://127.0.0.1:1/x"}],
)
def test_where_batch_jobs_is_away_the_rest_is_told(deployment: Observed, where: dict[str, str]):
    settings = Settings.model_validate(
        {
            "dagster_pg_url": deployment.url,
            "aggregation_config": str(deployment.settings.aggregation_config),
            "storage_dir": str(deployment.settings.storage_dir),
            **where,
        }
    )
    with opened(deployment, settings) as metrics:
        text = collected(metrics)
    assert value(text, "aggregation_collection_success", source="batch_jobs") == 0
    assert value(text, "aggregation_collection_success", source="dagster") == 1
    assert value(text, "aggregation_unfinished_runs", status="queued") == 1
    assert "aggregation_last_day" not in text
