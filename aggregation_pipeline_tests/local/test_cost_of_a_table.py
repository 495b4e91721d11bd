"""What one more small table asks of the servers in a run: its own events, and nothing that the run knows already."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from dagster import DagsterInstance

from aggregation_pipeline.assets.log_observer import PacedLog
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline.settings.base import load_log_settings, load_settings
from aggregation_pipeline.settings.logs import LogSettings
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.statements import counted_connections

TABLES = [f"t{number}" for number in range(6)]
ENTRY = "  {name}: {{group_by: [city], aggregations: [{{function: COUNT, alias: n}}], select_fields: ['*']}}\n"
# An asset each for the table, four formats and the manifest; four checks of the rows, and one of the stable names.
ASSETS, CHECKS = 6, 5
# Planned and made, or planned and evaluated, each with an output; the step begins and ends.
OF_DAGSTER = 3 * (ASSETS + CHECKS) + 2


@pytest.fixture
def place(mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    for name in TABLES:
        deployment.execute(
            f"CREATE TABLE {name} (id INT PRIMARY KEY, city VARCHAR(9))", f"INSERT INTO {name} VALUES (1, 'x')"
        )
    deployment.configure("tables:\n" + "".join(ENTRY.format(name=name) for name in TABLES))
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    deployment.enter(monkeypatch, DAGSTER_HOME=str(tmp_path))
    return deployment


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count what this process asks of its servers and of its settings."""
    counts: Counter[str] = Counter()

    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        counts["statements"] += 1
        counts["looks at the schema"] += "pg_catalog.pg_class" in statement
        counts["assets read"] += statement.startswith("SELECT asset_keys.id")

    def settings_loaded() -> LogSettings:
        counts["settings"] += 1
        return load_log_settings()

    with counted_connections(counts, executed), monkeypatch.context() as patch:
        patch.setattr("aggregation_pipeline.instance.log_handlers.load_log_settings", settings_loaded)
        yield counts


def run(project: Project, instance: DagsterInstance, tables: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    definitions = build_definitions(project)
    with counted(monkeypatch) as counts:
        result = run_tables(project, definitions, instance, tables=TABLES[:tables], formats=None)
    assert result.status == "completed", result
    counts["events"] = len(instance.all_logs(result.batch_job_id))
    return counts


@pytest.mark.slow
def test_one_more_table_costs_its_events_and_no_connection(place: Deployment, monkeypatch: pytest.MonkeyPatch):
    project = load_project(load_settings())
    with open_instance(project) as instance:
        # The first run of a table warns of what it cannot know.
        run(project, instance, len(TABLES), monkeypatch)
        few, many = (run(project, instance, tables, monkeypatch) for tables in (2, 6))
    more = Counter({what: (many[what] - few[what]) // 4 for what in many})
    assert few["settings"] > 0
    assert more["connections"] == 0
    assert more["looks at the schema"] == 0
    assert more["settings"] == 0
    assert more["assets read"] <= 1, "only of the source; what the step has made is known"
    # One observation of the source, and one line of the log.
    assert more["events"] == OF_DAGSTER + 2
    assert more["statements"] < 170


def test_lines_that_come_too_soon_are_in_the_log_files_only(
    monkeypatch: pytest.MonkeyPatch,
):
    clock = 0.0
    monkeypatch.setattr("aggregation_pipeline.assets.log_observer.time", SimpleNamespace(monotonic=lambda: clock))
    logged: list[str] = []

    class Log:
        def info(self, text: str) -> None:
            logged.append(text)

    paced = PacedLog(Log())  # type: ignore[arg-type]
    for second, is_last in ((1.0, False), (10.0, False), (11.0, False), (12.0, True)):
        clock = second
        paced.line(f"at {second:.0f}", is_last=is_last)
    assert logged == ["at 10", "at 12"]
