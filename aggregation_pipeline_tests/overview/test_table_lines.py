"""How a table is, and what is wrong, by what Dagster and batch_jobs say."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster._core.scheduler.instigation import InstigatorStatus

from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.batch_jobs.buckets import NewestPart
from aggregation_pipeline.health.probe import Outcome, Probe
from aggregation_pipeline.overview.concerns import CODES, find_concerns
from aggregation_pipeline.overview.dagster_state import DagsterState
from aggregation_pipeline.overview.schedules import NextTick, next_ticks
from aggregation_pipeline.overview.table_lines import TableLine, table_lines
from aggregation_pipeline.overview.tables import Published
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.runs.latest_checks import LatestCheck
from aggregation_pipeline.runs.model import RunInfo
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.config_file import write_config

# Ten in the morning in Shanghai; both schedules have ticked, at 02:00 and at 06:30.
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
TICK = datetime(2026, 11, 19, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONFIG = """
tables:
  orders: {select_fields: [id], freshness: {fail_after: 26h}, owners: [li@example.com], description: All orders}
  days:
    select_fields: [id]
    partition: {column: created_at, every: day, start: 2026-11-01}
    schedule: "0 30 6 * * *"
  by_hand: {select_fields: [id], schedule: none}
  broken: {select_fields: ["id +"]}
"""
NOTHING = Published(None, None, {}, None, None)
GOOD = Published("2026-11-20", TICK + HOUR, {"detail": 7}, "new", "new")
RUN = RunInfo("new", "aggregate", "SUCCESS", TICK, TICK + HOUR, TICK, TICK + HOUR, {})
OLD = Published("2026-11-19", TICK - 24 * HOUR, {"detail": 6}, "old", "old")
OLD_RUN = RunInfo("old", "aggregate", "SUCCESS", TICK - 25 * HOUR, TICK, TICK - 25 * HOUR, TICK - 24 * HOUR, {})


@dataclass(frozen=True)
class Schedules:
    """What is asked of a Dagster instance: which schedules somebody has stopped."""

    stopped: tuple[str, ...] = ()

    def all_instigator_state(self, **_: Any) -> list[Any]:
        return [SimpleNamespace(instigator_name=name, status=InstigatorStatus.STOPPED) for name in self.stopped]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> DagsterState:
    return configured(tmp_path_factory.mktemp("lines"))


def configured(folder: Path) -> DagsterState:
    settings = Settings(
        dagster_pg_url="postgresql://nobody@127.0.0.1:1/x", aggregation_config=write_config(folder, CONFIG)
    )
    project = load_usable_project(settings, None)
    tables = {table.entry.name: NOTHING for table in project.tables}
    return DagsterState(project, True, tables, {}, (), ticks(project, NOW))


def ticks(project: Project, now: datetime, *stopped: str) -> tuple[NextTick, ...]:
    instance: Any = Schedules(stopped)
    return next_ticks(groups_of(project), instance, now)


def with_tables(
    state: DagsterState, runs: tuple[RunInfo, ...] = (), checks: Any = (), **tables: Published
) -> DagsterState:
    return DagsterState(
        state.project, True, {**state.tables, **tables}, {run.run_id: run for run in runs}, checks, state.schedules
    )


def lines(state: DagsterState, newest: Any = None, **open_tables: int) -> dict[str, TableLine]:
    return {line.name: line for line in table_lines(state, newest, open_tables, NOW)}


def part(status: str, at: datetime = TICK, error: str | None = None) -> NewestPart:
    return NewestPart("id", status, at, at + HOUR, error)


def test_a_deployment_that_has_never_run_has_nothing_wrong_but_its_broken_entry(state: DagsterState):
    found = lines(state, {})
    assert {name: line.state for name, line in found.items()} == {
        "orders": "never", "days": "never", "by_hand": "never", "broken": "broken",
    }  # fmt: skip
    assert (found["orders"].schedule, found["by_hand"].schedule) == ("aggregate_schedule", None)
    assert found["orders"].next_tick == datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    assert (found["orders"].owners, found["orders"].late, found["orders"].last) == (("li@example.com",), None, None)
    (broken,) = find_concerns([*found.values()], state, [])
    assert (broken.code, broken.table, "aggregation.yaml" in (broken.text or "")) == ("table_broken", "broken", True)


def test_a_table_that_was_published_in_time_is_fine(state: DagsterState):
    orders = lines(with_tables(state, (RUN,), orders=GOOD), {"orders": part("completed")})["orders"]
    assert (orders.state, orders.late, orders.age_seconds, orders.late_after_seconds) == (
        "ok",
        False,
        7 * 3600,
        26 * 3600,
    )
    assert (orders.newest_window, orders.rows, orders.missed_at) == ("2026-11-20", {"detail": 7}, None)
    assert orders.last is not None
    assert (orders.last.id, orders.last.status, orders.last.at) == ("id", "completed", TICK + HOUR)


def test_a_tick_after_which_nothing_began_is_missed(state: DagsterState):
    old = with_tables(state, (OLD_RUN,), orders=OLD, days=OLD)
    found = lines(old, {})
    assert (found["orders"].state, found["orders"].missed_at, found["orders"].missed_window) == ("missed", TICK, None)
    # The day before is the newest that is complete.
    assert (found["days"].state, found["days"].missed_window) == ("ok", None)
    behind = Published("2026-11-18", OLD.at, {}, "old", "old")
    days = lines(with_tables(state, (OLD_RUN,), days=behind), {})["days"]
    assert (days.missed_at, days.missed_window) == (TICK + 4.5 * HOUR, "2026-11-19")
    assert lines(old, {}, orders=1)["orders"].missed_at is None, "it runs now"
    assert lines(old, {"orders": part("failed")})["orders"].missed_at is None, "another program has begun it"


def test_a_stopped_schedule_is_told_and_misses_nothing(state: DagsterState):
    stopped = replace(
        with_tables(state, (OLD_RUN,), orders=OLD), schedules=ticks(state.project, NOW, "aggregate_schedule")
    )
    orders = lines(stopped, {})["orders"]
    assert (orders.state, orders.stopped, orders.next_tick, orders.missed_at) == ("late", True, None, None)
    concerns = [(each.code, each.subject) for each in find_concerns([orders], stopped, [])]
    assert ("schedule_stopped", "aggregate_schedule") in concerns


def test_a_tick_before_the_first_partition_is_complete_is_not_missed(state: DagsterState):
    for hour, due in ((1, None), (24, "2026-11-01")):
        now = datetime(2026, 11, 1, tzinfo=UTC) + hour * HOUR
        (days,) = (tick for tick in ticks(state.project, now) if tick.tables == ("days",))
        assert (days.due_partition, days.due_at is None) == (due, due is None)


def test_a_failure_is_told_with_its_error_before_anything_else(state: DagsterState):
    at = TICK - 24 * HOUR - HOUR * 3
    late = Published("2026-11-19", at, {}, "old", "new")
    failed = RunInfo("new", "aggregate", "FAILURE", TICK, TICK, TICK, TICK + HOUR, {})
    tables = with_tables(state, (failed,), orders=late)
    newest = {"orders": part("failed", TICK, "It broke. Mend it.")}
    orders = lines(tables, newest)["orders"]
    assert (orders.state, orders.late) == ("failed", True)
    concerns = find_concerns([orders], None, [])
    assert [(each.code, each.text, each.since) for each in concerns] == [
        ("table_failed", "It broke. Mend it.", TICK + HOUR),
        ("table_late", None, at + 26 * HOUR),
    ]
    assert concerns[0].batch == "id"
    # Without batch_jobs Dagster knows that it failed, and not why.
    alone = lines(tables)["orders"]
    assert alone.last is not None
    assert (alone.state, alone.last.status, alone.last.error) == ("failed", "failed", None)


def test_what_runs_and_what_nobody_knows_anything_of(state: DagsterState):
    going = RunInfo("new", "aggregate", "STARTED", TICK, TICK, TICK, None, {})
    found = lines(with_tables(state, (going,), orders=Published(None, None, {}, None, "new")))
    assert (found["orders"].state, found["orders"].running) == ("running", True)
    gone = lines(with_tables(state, orders=Published(None, None, {}, None, "deleted")))
    assert gone["orders"].state == "unknown"


def check(name: str, severity: str, *, run: str = "new", at: datetime = TICK, segment: str = "orders") -> LatestCheck:
    return LatestCheck(segment, name, None, passed=False, severity=severity, message="too few", at=at, run_id=run)


def test_failing_checks_are_told_unless_they_are_of_an_earlier_publication(state: DagsterState):
    checks = [check("min_rows", "error"), check("max_rows", "warn"), check("gone", "error", run="old"),
              check("unknown", "error", segment="nobody")]  # fmt: skip
    found = with_tables(state, (RUN,), checks, orders=GOOD)
    line = lines(found, {})["orders"]
    assert (line.state, line.failed_checks, line.warned_checks) == ("check_failed", 1, 1)
    concerns = {each.code: each for each in find_concerns([line], found, [])}
    assert [*concerns] == ["table_broken", "check_failed", "check_warned"]
    assert (concerns["check_failed"].subject, concerns["check_failed"].text) == ("min_rows", "too few")
    assert (concerns["check_failed"].is_warning, concerns["check_warned"].is_warning) == (False, True)


def test_what_the_probes_have_found_comes_by_weight_and_what_nobody_asked_is_no_news():
    def probe(name: str, problem: str | None, *, required: bool = False, known: bool = True) -> Any:
        return Probe(name, lambda: problem, required=required), Outcome(problem, 1.0, is_known=known)

    probes = [
        *(probe("mysql", "away"), probe("mirror", "3 runs"), probe("sensors", "stopped"), probe("files", None)),
        *(probe("daemon", "silent", required=True), probe("postgres", "not asked", required=True, known=False)),
    ]
    found = find_concerns([], None, probes)
    assert [(each.code, each.subject, each.text) for each in found] == [
        ("service_failing", "daemon", "silent"),
        ("dependency_failing", "mysql", "away"),
        ("mirror_behind", "mirror", "3 runs"),
        ("sensors_stopped", "sensors", "stopped"),
    ]
    assert [each.code for each in found] == [code for code in CODES if code in {each.code for each in found}]
