"""Several databases in one project: equal names in two of them stay apart, and one that is away fails alone."""

import csv
import functools
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dagster import AssetsDefinition, DagsterInstance

from aggregation_pipeline.assets.keys import source_key, table_key
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.doctor.examination import examine
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.doctor.subjects import subjects_of
from aggregation_pipeline.errors import SettingsError, SourceError
from aggregation_pipeline.health.probe import LIMIT_SECONDS
from aggregation_pipeline.health.probes import open_probes
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import load_project, load_usable_project
from aggregation_pipeline.runs.asset_keys import OP_PREFIX
from aggregation_pipeline.runs.results import RunResult
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.source.mysql.health import MySQLCheck
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline_tests.end_to_end.shop_job import row_of
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.endings import endings
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CONFIG = """
    sources:
      shop: {{socket: {socket}, user: root, database: {shop}}}
      crm: {{user: nobody, database: {crm}, pool_limit: 2, source_limits: {{max_rows: 1}}}}
      away: {{host: 127.0.0.1, port: {port}, user: root, database: {shop}}}
    tables:
      plain: {{table: users, select_fields: [id, phone]}}
      shop_users: {{source: shop, table: users, select_fields: [id, phone], mask: {{phone: partial}}}}
      crm_users: {{source: CRM, table: users, select_fields: [id, phone]}}
      crm_orders: {{source: crm, table: orders, select_fields: [id]}}
      away_users: {{source: away, table: users}}
"""
PHONES = {"plain": "13800000001", "shop": "13800000002", "crm": "13800000003"}


def fill(server: MySQLServer, database: str, phone: str) -> None:
    with server.connect(database=None) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
        for table in ("users", "orders"):
            cursor.execute(f"CREATE TABLE {database}.{table} (id INT PRIMARY KEY, phone VARCHAR(20))")
            cursor.execute(f"INSERT INTO {database}.{table} VALUES (1, '{phone}')")
        cursor.execute(f"INSERT INTO {database}.orders VALUES (2, '')")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cells(deployment: Deployment, table: str) -> list[list[str]]:
    (path,) = deployment.exports.glob(f"{table}/latest/{table}.detail.csv")
    return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))[1:]


def lineage(instance: DagsterInstance, table: str) -> set[tuple[str, ...]]:
    event = instance.get_latest_materialization_event(table_key(table))
    assert event is not None
    assert event.asset_materialization is not None
    metadata: Mapping[str, Any] = event.asset_materialization.metadata
    deps = metadata["dagster/column_lineage"].value.deps_by_column.values()
    return {tuple(dep.asset_key.path) for found in deps for dep in found}


@dataclass(frozen=True)
class Scene:
    """The databases plain, which has no name in the project, shop and crm."""

    deployment: Deployment
    databases: Mapping[str, str]


def scene(
    servers: Mapping[str, MySQLServer], databases: Mapping[str, str], url: str, folder: Path, patch: pytest.MonkeyPatch
) -> Scene:
    for name, server in servers.items():
        fill(server, databases[name], PHONES[name])
    deployment = Deployment(folder, servers["plain"], databases["plain"], url)
    deployment.configure(CONFIG.format(**databases, socket=servers["shop"].unix_socket, port=closed_port()))
    crm = servers["crm"]
    deployment.enter(patch, OUTPUT_FORMAT="csv", DB_CRM_SOCKET=crm.unix_socket, DB_CRM_USER=crm.user)
    patch.chdir(REPOSITORY)
    return Scene(deployment, databases)


@pytest.fixture
def on_one_server(
    mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    databases = {name: mariadb.fresh_database() for name in PHONES}
    return scene(dict.fromkeys(PHONES, mariadb), databases, dagster_database, tmp_path, monkeypatch)


@pytest.fixture
def on_three_servers(
    mariadb: MySQLServer,
    seekdb: MySQLServer,
    mysql56: MySQLServer,
    dagster_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    """Each has a database of the same name."""
    database = mariadb.fresh_database()
    servers = {"plain": mariadb, "shop": seekdb, "crm": mysql56}
    for server in (seekdb, mysql56):
        endings.append(functools.partial(server.drop, database))
    return scene(servers, dict.fromkeys(PHONES, database), dagster_database, tmp_path, monkeypatch)


def prove_apart(scene: Scene, *also: str) -> RunResult:
    """Run the tables of the three databases, and `also` others."""
    project = load_project(load_settings())
    with open_instance(project) as instance:
        tables = ["plain", "shop_users", "crm_users", "crm_orders", *also]
        result = run_tables(project, build_definitions(project), instance, tables=tables, formats=None)
        paths = {name: lineage(instance, name) for name in ("plain", "shop_users", "crm_users")}
        pools = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        observed = instance.fetch_observations(
            source_key(scene.databases["crm"], "users", source="crm"), limit=1
        ).records
    assert {name: table.status for name, table in result.tables.items()} == {
        "plain": "completed",
        "shop_users": "completed",
        "crm_users": "completed",
        "crm_orders": "failed",
        **dict.fromkeys(also, "failed"),
    }
    assert "max_rows" in str(result.tables["crm_orders"].error)
    assert [cells(scene.deployment, name) for name in ("plain", "shop_users", "crm_users")] == [
        [["1", PHONES["plain"]]],
        [["1", "138****0002"]],
        [["1", PHONES["crm"]]],
    ]
    databases = scene.databases
    assert paths == {
        "plain": {("mysql", databases["plain"], "users")},
        "shop_users": {("mysql", "shop", databases["shop"], "users")},
        "crm_users": {("mysql", "crm", databases["crm"], "users")},
    }
    assert observed
    assert (pools[f"source_crm.{databases['crm']}"], pools[f"source_shop.{databases['shop']}"]) == (2, 4)
    results = row_of(scene.deployment, result.batch_job_id)["metadata"]["results"]
    sources = {name: each["by_table"][name].get("source") for name, each in results.items()}
    assert {name: source for name, source in sources.items() if source} == {"shop_users": "shop", "crm_users": "crm"}
    return result


def test_databases_by_name_are_read_in_one_run(on_one_server: Scene):
    prove_apart(on_one_server)


@pytest.mark.slow
def test_equal_names_on_three_servers_stay_apart_and_one_that_is_away_fails_alone(on_three_servers: Scene):
    result = prove_apart(on_three_servers, "away_users")
    assert "no server answers" in str(result.tables["away_users"].error)


def test_each_source_has_a_pool_of_its_own(on_one_server: Scene):
    definitions = build_definitions(load_project(load_settings()))
    pools = {
        assets.op.name.removeprefix(OP_PREFIX): assets.op.pool
        for assets in definitions.assets or ()
        if isinstance(assets, AssetsDefinition) and assets.is_executable and assets.op.name.startswith(OP_PREFIX)
    }
    plain, shop, crm = on_one_server.databases.values()
    assert pools == {
        "plain": f"source_{plain}",
        "shop_users": f"source_shop.{shop}",
        "crm_users": f"source_crm.{crm}",
        "crm_orders": f"source_crm.{crm}",
        "away_users": f"source_away.{shop}",
    }


def test_observe_asks_each_server_and_one_that_is_away_hides_no_other(on_one_server: Scene):
    project = load_project(load_settings())
    databases = on_one_server.databases
    keys = [
        source_key(databases["plain"], "users"),
        source_key(databases["shop"], "users", source="away"),
        source_key(databases["crm"], "users", source="crm"),
    ]
    with open_instance(project) as instance:
        job = build_definitions(project).resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
    observed = {tuple(event.asset_key.path) for event in done.get_asset_observation_events() if event.asset_key}
    assert observed == {tuple(keys[0].path), tuple(keys[2].path)}
    (failure,) = [event for event in done.all_events if event.event_type_value == "STEP_FAILURE"]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert str(told.description).startswith("away: MySQL at 127.0.0.1:")


def test_a_source_that_is_half_configured_takes_its_own_tables_out(
    on_one_server: Scene, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("DB_CRM_SOCKET")
    settings = load_settings()
    with pytest.raises(SettingsError, match=r"source crm is half configured, host \(DB_CRM_HOST\) missing"):
        load_project(settings)
    project = load_usable_project(settings, None)
    broken = {table.entry.name: table.entry.issues for table in project.tables if table.entry.issues}
    assert broken.keys() == {"crm_users", "crm_orders"}
    assert "tables.crm_users: The source crm is half configured" in str(broken["crm_users"])
    monkeypatch.setenv("DB_CRM_HOST", "127.0.0.1")
    monkeypatch.setenv("DB_CRM_SSL_MODE", "VERIFY_CA")
    settings = load_settings()
    with pytest.raises(SettingsError, match="source crm cannot be used: DB_CRM_SSL_MODE=VERIFY_CA needs DB_CRM_SSL_CA"):
        load_project(settings)
    project = load_usable_project(settings, None)
    assert {table.entry.name for table in project.tables if table.entry.issues} == {"crm_users", "crm_orders"}


def test_a_sources_time_zone_is_that_of_its_entries(on_one_server: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DB_CRM_TIMEZONE", "Europe/Berlin")
    zones = {table.entry.name: table.zone.key for table in load_project(load_settings()).tables}
    assert zones == {
        "plain": "Asia/Shanghai",
        "shop_users": "Asia/Shanghai",
        "crm_users": "Europe/Berlin",
        "crm_orders": "Europe/Berlin",
        "away_users": "Asia/Shanghai",
    }


def test_check_examines_each_source_and_names_its_variables(on_one_server: Scene):
    settings = load_settings()
    case = Case(settings, load_project(settings))
    subjects = {name: subject for name, subject in subjects_of(case).items() if name.startswith("mysql")}
    assert list(subjects) == ["mysql", "mysql_shop", "mysql_crm", "mysql_away"]
    found = {(each.subject, each.name): each for each in examine(case, subjects)}
    assert {subject for subject, name in found if name == "reach"} == {"mysql", "mysql_shop", "mysql_crm"}
    assert ("mysql_crm", "tables.crm_users") in found
    assert ("mysql_shop", "tables.crm_users") not in found
    assert found["mysql_away", "connection"].remedy.startswith("Check DB_AWAY_HOST and DB_AWAY_PORT")
    # All three are one server here, but three databases.
    assert not any(name == "masks" for _, name in found)


def test_health_asks_each_source_that_is_read(on_one_server: Scene):
    settings = load_settings()
    sources = CurrentProject(settings).sources()
    with open_probes(settings, cast("Any", SimpleNamespace(instance=None)), sources) as probes:
        asked = {probe.name: probe for probe in probes if probe.name.startswith("mysql")}
        for probe in asked.values():
            if (answer := probe.ask()) is not None:
                answer.result(30)
        problems = {name: probe.outcome().problem for name, probe in asked.items()}
    assert {name for name, problem in problems.items() if problem is None} == {"mysql", "mysql_shop", "mysql_crm"}
    assert "MySQL at 127.0.0.1:" in str(problems["mysql_away"])


def test_a_name_that_is_wrong_is_answered_with_the_variable_of_its_source(
    on_one_server: Scene, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DB_CRM_NAME", "none_of_that_name")
    project = load_project(load_settings())
    (table,) = (table for table in project.tables if table.entry.name == "crm_users")
    check = MySQLCheck(table.source(), int(LIMIT_SECONDS))
    with pytest.raises(SourceError, match="Check DB_CRM_NAME"):
        check()
    check.close()
