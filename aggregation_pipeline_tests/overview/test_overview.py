"""The morning, a table and a batch of real runs; and of what is there while a server is away."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    Failure,
)
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.batch_jobs.buckets import NO_COUNTS, Counts
from aggregation_pipeline.errors import ConfigError, MirrorError
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.overview import kept, overview
from aggregation_pipeline.overview.bounded import Bounded
from aggregation_pipeline.overview.kept import Times
from aggregation_pipeline.overview.overview import Overview
from aggregation_pipeline.project import Project
from aggregation_pipeline_tests.batch_jobs.any_rows import insert
from aggregation_pipeline_tests.overview.site import Site
from aggregation_pipeline_tests.support.runs import FakeTable, create
from aggregation_pipeline_tests.support.waiting import until

BAIDU, WEIBO = FakeTable("baidu", 30), FakeTable("weibo", 12)


def fail(_context: Any) -> None:
    raise Failure("<script>alert(1)</script> is not a column. Take another.")


BROKEN_WEIBO = FakeTable("weibo", 12, action=fail)


def publish(site: Site, name: str, **metadata: Any) -> None:
    site.instance.report_runless_asset_event(AssetMaterialization(table_key(name), metadata=metadata))


def check(site: Site, name: str, *, passed: bool, severity: AssetCheckSeverity = AssetCheckSeverity.ERROR) -> None:
    evaluation = AssetCheckEvaluation(
        asset_key=table_key("baidu"),
        check_name=name,
        passed=passed,
        metadata={},
        severity=severity,
        description="12 rows",
    )
    site.instance.report_runless_asset_event(evaluation)


@contextmanager
def dead_port() -> Iterator[int]:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_deployment_in_which_nothing_has_run_is_shown_and_has_nothing_wrong(site: Site):
    morning = site.morning()
    assert (morning.away, morning.concerns, morning.concern_counts) == ((), [], {})
    assert [(line.name, line.state) for line in morning.tables] == [
        ("baidu", "never"), ("weibo", "never"), ("zhihu", "never"),
    ]  # fmt: skip
    assert (len(morning.days), {day.counts for day in morning.days}) == (30, {NO_COUNTS})
    assert morning.days[-1].date == datetime.now(site.settings.zone).date()
    assert morning.today is not None
    assert (morning.today.tables, morning.open_batches, morning.usual_rows, morning.days_from) == ({}, (), None, None)
    assert [schedule.schedule for schedule in morning.schedules] == ["aggregate_schedule"]
    assert morning.ages.keys() == {"dagster", "batch_jobs", "history"}
    table = site.overview.table("baidu", morning)
    assert table is not None
    assert (table.batches, table.files, table.checks, table.more_batches) == ((), [], [], False)
    assert (table.description, table.line.owners) == ("What people ask", ("li@example.com",))
    assert site.overview.table("nobody", morning) is None
    assert site.overview.batch(uuid4()) is None


def test_the_morning_says_what_the_rows_and_the_events_say(site: Site):
    publish(site, "baidu", window="2026-11-20", **{"detail rows": 30})
    good, bad = site.run(BAIDU, WEIBO), site.run(BAIDU, BROKEN_WEIBO)
    site.mirror(going := create(site.instance, [FakeTable("zhihu")], DagsterEventType.RUN_START).run_id)
    check(site, "min_rows", passed=False)
    check(site, "max_rows", passed=False, severity=AssetCheckSeverity.WARN)
    check(site, "not_null", passed=False)
    check(site, "not_null", passed=True)
    morning = site.morning()
    assert morning.away == ()
    assert dict(morning.concern_counts) == {
        "table_failed": 1, "check_failed": 1, "check_warned": 1,
    }  # fmt: skip
    failed = morning.concerns[0]
    assert (failed.table, failed.batch) == ("weibo", bad)
    assert failed.text == "<script>alert(1)</script> is not a column. Take another."
    assert {line.name: line.state for line in morning.tables} == {
        "baidu": "check_failed", "weibo": "failed", "zhihu": "running",
    }  # fmt: skip
    today = morning.days[-1].counts
    assert (today.completed, today.failed, today.open, today.rows) == (1, 1, 1, 72)
    assert morning.table_days["baidu"][morning.days[-1].date] == Counts(2, rows=60, seconds=0.5, bytes=600)
    assert morning.today is not None
    assert sum(counts.rows for counts in morning.today.tables["weibo"].values()) == 12
    assert sum(counts.total for counts in morning.today.totals.values()) == 3
    assert [batch.id for batch in morning.open_batches or ()] == [going]
    table = site.overview.table("baidu", morning)
    assert table is not None
    assert [batch.id for batch in table.batches or ()] == [bad, good]
    assert [(file.format, file.rows, file.uri) for file in table.files or ()] == [
        ("json", 30, "file:///exports/baidu/2026-11-20/baidu.json")
    ]
    assert table.files_window == "2026-11-20"
    assert [(each.name, each.passed) for each in table.checks or ()] == [
        ("max_rows", False), ("min_rows", False), ("not_null", True),
    ]  # fmt: skip
    assert (table.days[-1].counts.rows, len(table.days), table.usual_rows) == (60, 30, None)


def test_a_batch_is_compared_with_the_one_before_that_is_most_like_it(site: Site):
    first = site.run(BAIDU, WEIBO)
    site.run(BAIDU)
    third = site.run(FakeTable("baidu", 40), BROKEN_WEIBO)
    fourth = site.run(FakeTable("baidu", 40), FakeTable("zhihu", 5))
    batch = site.overview.batch(UUID(third))
    assert batch is not None
    assert batch.detail is not None
    assert batch.run is not None
    assert [(table.table, table.status, table.rows, table.files) for table in batch.tables] == [
        ("baidu", "completed", 40, 1), ("weibo", "failed", 0, 0),
    ]  # fmt: skip
    assert batch.tables[0].stages == {"read": 0.125, "render": 0.062, "publish": 0.031}
    assert batch.detail.errors[0].table == "weibo"
    change = batch.difference
    assert change is not None
    assert (change.before.id, change.came, change.went) == (first, [], [])
    assert (change.rows.now, change.rows.before, change.bytes.now, change.bytes.before) == (40, 42, 400, 420)
    assert [(each.table, each.status) for each in change.tables] == [
        ("baidu", ("completed", "completed")), ("weibo", ("failed", "completed")),
    ]  # fmt: skip
    assert change.tables[0].rows.ratio == 40 / 30
    fourth_batch = site.overview.batch(UUID(fourth))
    assert fourth_batch is not None
    assert fourth_batch.difference is not None
    # One of two names is the same as of the third; of the second all of its names are.
    assert (fourth_batch.difference.came, fourth_batch.difference.went) == (["zhihu"], [])
    oldest = site.overview.batch(UUID(first))
    assert oldest is not None
    assert oldest.difference is None


def test_rows_of_the_node_service_are_batches_like_others(site: Site):
    moment = datetime.now(UTC) - timedelta(minutes=2)
    for back, status in enumerate(("failed", "completed", "completed")):
        at = (moment - timedelta(days=back)).isoformat()
        insert(site.engine, id=str(UUID(int=back + 1)), created_at=at, status=status, platforms_processed=["baidu"],
               metadata={"baidu_items": 15 + back}, total_items=15 + back)  # fmt: skip
    insert(site.engine, created_at=moment.isoformat(), status=None, metadata=None, platforms_processed=None)
    morning = site.morning()
    assert [(each.code, each.table, each.text) for each in morning.concerns] == [("table_failed", "baidu", None)]
    assert sum(day.counts.completed for day in morning.days) == 2
    batch = site.overview.batch(UUID(int=2))
    assert batch is not None
    assert batch.run is not None
    assert (batch.run.windows, batch.run.checks) == ((), ())
    (table,) = batch.tables
    assert (table.table, table.rows, table.stages, table.seconds) == ("baidu", 16, {}, None)
    assert batch.difference is not None
    assert (batch.difference.before.id, batch.difference.rows.before) == (str(UUID(int=3)), 17)


def test_without_batch_jobs_the_page_shows_what_dagster_knows(site: Site):
    good = site.run(BAIDU, WEIBO)
    site.run(BROKEN_WEIBO)
    with dead_port() as port:
        away = site.anew(batch_jobs_url=SecretStr(f"postgresql://nobody:secret@127.0.0.1:{port}/x"))
        morning = away.morning()
        assert morning.away == ("batch_jobs", "history")
        assert (morning.days, morning.today, morning.open_batches, [*morning.ages]) == ((), None, None, ["dagster"])
        assert {line.name: line.state for line in morning.tables} == {
            "baidu": "ok",
            "weibo": "failed",
            "zhihu": "never",
        }
        assert [each.code for each in morning.concerns] == ["table_failed"]
        table = away.overview.table("baidu", morning)
        assert table is not None
        assert (table.batches, len(table.files or ()), table.days) == (None, 1, [])
        batch = away.overview.batch(UUID(good))
        assert batch is not None
        assert (batch.detail, batch.tables) == (None, ())
        assert batch.run is not None
        with pytest.raises(MirrorError):
            away.overview.batch(uuid4())


def test_without_dagster_the_page_shows_what_the_rows_say(site: Site, monkeypatch: pytest.MonkeyPatch):
    run_id = site.run(BAIDU)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    for name in ("get_asset_records", "get_run_by_id", "get_latest_materialization_event"):
        monkeypatch.setattr(DagsterInstance, name, refuse)
    monkeypatch.setattr(type(site.instance.event_log_storage), "run_connection", refuse)
    morning = site.morning()
    assert (morning.away, morning.tables, morning.concerns) == (("dagster",), (), [])
    assert morning.days[-1].counts.rows == 30
    batch = site.overview.batch(UUID(run_id))
    assert batch is not None
    assert (batch.run, [table.rows for table in batch.tables]) == (None, [30])


def test_while_dagster_is_frozen_a_table_and_a_batch_show_what_the_rows_say(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    run_id = site.run(BAIDU)
    morning, thawed = site.morning(), threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        thawed.wait(120)

    monkeypatch.setattr(DagsterInstance, "get_latest_materialization_event", hang)
    monkeypatch.setattr(overview, "run_detail", hang)
    monkeypatch.setattr(site.overview, "_ask_dagster", Bounded(0.05))
    table, batch = site.overview.table("baidu", morning), site.overview.batch(UUID(run_id))
    thawed.set()
    assert table is not None
    assert table.batches is not None
    assert ([each.id for each in table.batches], table.files, table.checks) == ([run_id], None, None)
    assert batch is not None
    assert (batch.run, [each.rows for each in batch.tables]) == (None, [30])


def test_what_probes_have_found_is_shown_and_nobody_waits_for_them(site: Site):
    found = site.anew([Probe("mysql", lambda: "the server is away")])
    until("the probe", lambda: found.morning().concern_counts == {"dependency_failing": 1}, 60)
    (concern,) = found.morning().concerns
    assert (concern.subject, concern.text) == ("mysql", "the server is away")


def test_a_run_without_a_row_is_shown_by_its_events(site: Site):
    run_id = create(site.instance, [BAIDU], DagsterEventType.RUN_START).run_id
    batch = site.overview.batch(UUID(run_id))
    assert batch is not None
    assert (batch.detail, batch.difference) == (None, None)
    assert {line.name: line.state for line in site.morning().tables}["baidu"] == "running"


def test_days_are_those_of_the_projects_clock(site: Site):
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        elsewhere = site.anew(timezone=zone)
        assert elsewhere.morning().days[-1].date == datetime.now(elsewhere.settings.zone).date()
        assert isinstance(elsewhere.morning().days[0].date, date)


@pytest.fixture
def nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked is read, however lately it was."""
    monkeypatch.setattr(overview, "_TIMES", Times(fresh=0.0, recent=0.0, oldest=300.0))
    monkeypatch.setattr(kept, "_FRESH_SECONDS", 0.0)


@pytest.mark.usefixtures("nothing_is_new")
def test_a_configuration_that_cannot_be_read_is_said_and_the_tables_stay(site: Site):
    def broken() -> Project:
        raise ConfigError("aggregation.yaml:1: no tables")

    first = Overview(site.settings, site.instance, broken, site.open_rows)
    assert (asyncio.run(first.morning()).away, asyncio.run(first.morning()).tables) == (("config",), ())
    projects = [site.project]
    later = Overview(site.settings, site.instance, lambda: projects.pop() if projects else broken(), site.open_rows)
    assert asyncio.run(later.morning()).away == ()
    until("the broken file", lambda: asyncio.run(later.morning()).away == ("config",), 60)
    assert len(asyncio.run(later.morning()).tables) == 3


@pytest.mark.usefixtures("nothing_is_new")
def test_what_was_known_is_shown_with_its_age_while_batch_jobs_is_away(site: Site):
    site.run(BAIDU)
    known = site.anew()
    assert known.morning().away == ()
    # An existing table without the columns that are asked for, as if another program had made it.
    with site.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE batch_jobs RENAME TO gone; CREATE TABLE batch_jobs (id uuid)")
    until("the failure", lambda: "batch_jobs" in known.morning().away, 60)
    morning = known.morning()
    assert morning.days[-1].counts.rows == 30
    assert morning.ages["batch_jobs"] > 0
