"""A shop that `check` looks at, in the working folder of the test."""

from pathlib import Path

import pytest

from aggregation_pipeline.doctor.examination import Subject
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CONFIG = """
    tables:
      users: {}
      orders: {partition: {column: created_at, every: day, start: 2026-01-01}, schedule: '0 0 2 1-7 * 1'}
      gone: {schedule: none}
    """


@pytest.fixture
def shop(mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Tables users and orders; of the entry `gone` there is none."""
    return new_shop(mariadb, dagster_database, tmp_path, monkeypatch)


def new_shop(server: MySQLServer, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Make it on any server."""
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    made = Deployment(folder, server, server.fresh_database(), url)
    made.configure(CONFIG)
    made.execute(
        "CREATE TABLE users (id INT PRIMARY KEY)",
        "CREATE TABLE orders (id INT PRIMARY KEY, created_at DATETIME)",
    )
    monkeypatch.chdir(folder)
    return made


def found_by(subject: Subject, *, fix: bool = False, send: bool = False) -> dict[str, Finding]:
    """What one subject finds in the environment of this process, by name."""
    settings = load_settings()
    findings = list(subject(Case(settings, load_project(settings), fix=fix, send=send)))
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}
