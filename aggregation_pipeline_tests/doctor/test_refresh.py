"""What the doctor says of late rows: tables that are not asked, and windows that wait."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from aggregation_pipeline.automation.refresh_windows import MOST_PARTITIONS
from aggregation_pipeline.doctor.refresh import refresh_findings
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.runs.refresh_cursor import Asked
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline_tests.project.test_project import settings
from aggregation_pipeline_tests.support.refresh_state import keep_refresh_cursor
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENTRY = """
  {name}:
    select_fields: [id]
    partition: {{column: created_at, every: day, start: 2026-11-01}}
    refresh: {{look_back: 7d, key: MAX(id), every: {every}}}
"""


@pytest.fixture(scope="module")
def instance(postgres: PostgresServer) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder: Path = tmp_path_factory.mktemp("project")
    entries = ENTRY.format(name="orders", every="1h") + ENTRY.format(name="users", every="1m")
    return load_usable_project(settings(folder, f"tables:\n  plain: {{}}{entries}"), None)


def found(project: Project, instance: DagsterInstance, tables: Mapping[str, Asked]) -> dict[str, Finding]:
    keep_refresh_cursor(instance, {"users": Asked(NOW), "gone": Asked(problem="of a table that has left"), **tables})
    return {finding.name: finding for finding in refresh_findings(project, instance, NOW)}


def test_that_nothing_is_behind_is_one_line(project: Project, instance: DagsterInstance):
    busy = Asked(NOW - 2 * HOUR, windows=7, launched=7, waiting=MOST_PARTITIONS, since=NOW - 2 * HOUR)
    (finding,) = found(project, instance, {"orders": busy}).values()
    assert (finding.name, finding.status) == ("refresh", "ok")
    assert finding.text == f"2 tables are asked for late rows in time, and {MOST_PARTITIONS} windows wait"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(NOW, waiting=MOST_PARTITIONS + 1, since=NOW), "32 windows whose rows have changed wait to be launched"),
        (Asked(NOW, waiting=1, since=NOW - 4 * HOUR), "since 2026-11-28 08:00 UTC there has always been one"),
        (Asked(NOW - 4 * HOUR), "it was asked for late rows last at 2026-11-28 08:00 UTC, not every 1h"),
        (Asked(), "it was never asked for late rows"),
        (Asked(NOW, problem="no index leads to the rows"), "no index leads to the rows"),
    ],
)
def test_a_table_that_is_behind_is_named(project: Project, instance: DagsterInstance, asked: Asked, words: str):
    (finding,) = found(project, instance, {"orders": asked}).values()
    assert (finding.name, finding.status) == ("refresh.orders", "warning")
    assert words in finding.text
    assert finding.remedy


def test_without_refresh_nothing_is_said(tmp_path: Path, instance: DagsterInstance):
    plain = load_usable_project(settings(tmp_path, "tables: {plain: {}}"), None)
    assert found(plain, instance, {}) == {}
