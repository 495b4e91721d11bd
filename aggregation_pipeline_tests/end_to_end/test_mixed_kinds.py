"""MySQL and PostgreSQL in one project: one file of tables, one run, and each kind under its own name everywhere."""

import csv
from types import SimpleNamespace
from typing import Any, cast

import psycopg2
import pytest
from click.testing import CliRunner
from dagster import AssetsDefinition, Definitions

from aggregation_pipeline.assets.keys import source_key, table_key
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.doctor.examination import examine
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.doctor.subjects import subjects_of
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.health.probes import open_probes
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import load_project, load_usable_project
from aggregation_pipeline.runs.asset_keys import OP_PREFIX
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline_tests.end_to_end.shop_job import row_of
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

CONFIG = """
    sources:
      crm: {{kind: postgresql, socket: {socket}, user: postgres, database: {database}, pool_limit: 2}}
    tables:
      orders: &orders
        group_by: [status]
        aggregations: [{{function: COUNT, alias: orders}}, {{expr: SUM(price * quantity), alias: revenue}}]
        select_fields: [id, price, status, note]
      crm_orders:
        <<: *orders
        source: crm
        table: orders
        where: note IS DISTINCT FROM 'left out'::text
        mask: {{note: partial}}
{more}
"""
NO_MORE = ""
ROWS = (
    "(1, 20.50, 2, 'new', '13800000001')",
    "(2, 0.01, 1, 'paid', '李雷😀 13800000002')",
    "(3, 9999999999.99, 3, 'paid', NULL)",
)
COLUMNS = "id INT PRIMARY KEY, price DECIMAL(12,2), quantity INT, status VARCHAR(10), note VARCHAR(40)"
SUMMARY = "SELECT status, COUNT(*), SUM(price * quantity) FROM orders GROUP BY status ORDER BY status"
DETAIL = "SELECT id, price, status, note FROM orders ORDER BY id"


@pytest.fixture
def crm(postgres: PostgresServer) -> dict[str, Any]:
    """Where the shop in PostgreSQL is, as psycopg2 wants to know it."""
    name = postgres.fresh_database().partition("?")[0].rpartition("/")[2]
    connect: dict[str, Any] = {"host": str(postgres.server.socket_folder), "user": "postgres", "dbname": name}
    with psycopg2.connect(**connect) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE orders ({COLUMNS})")
        cursor.execute("COMMENT ON COLUMN orders.price IS '成交价'")
        cursor.execute(f"INSERT INTO orders VALUES {', '.join(ROWS)}")
    connection.close()
    return connect


@pytest.fixture
def both(deployment: Deployment, crm: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment.execute(f"CREATE TABLE orders ({COLUMNS})", f"INSERT INTO orders VALUES {', '.join(ROWS)}")
    configure(deployment, crm)
    deployment.enter(monkeypatch, OUTPUT_FORMAT="csv")
    monkeypatch.chdir(REPOSITORY)
    return deployment


def configure(deployment: Deployment, crm: dict[str, Any], more: str = NO_MORE) -> None:
    deployment.configure(CONFIG.format(socket=crm["host"], database=crm["dbname"], more=more))


def cells(deployment: Deployment, table: str, dataset: str) -> list[list[str]]:
    (path,) = deployment.exports.glob(f"{table}/latest/{table}.{dataset}.csv")
    return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))[1:]


def texts(rows: Any) -> list[list[str]]:
    return [["" if each is None else f"{each}" for each in row] for row in rows]


def of_postgresql(crm: dict[str, Any], sql: str) -> list[list[str]]:
    with psycopg2.connect(**crm) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return texts(cursor.fetchall())


def of_mysql(deployment: Deployment, sql: str) -> list[list[str]]:
    with deployment.source.connect(database=deployment.database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return texts(cursor.fetchall())


def test_one_run_reads_both_kinds_and_the_files_are_what_other_clients_say(both: Deployment, crm: dict[str, Any]):
    project = load_project(load_settings())
    with open_instance(project) as instance:
        result = run_tables(project, build_definitions(project), instance, tables=None, formats=None)
        event = instance.get_latest_materialization_event(table_key("crm_orders"))
        observed = instance.fetch_observations(
            source_key(crm["dbname"], "public", "orders", source="crm", kind="postgresql"), limit=1
        )
        pools = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert {name: table.status for name, table in result.tables.items()} == dict.fromkeys(
        ("orders", "crm_orders"), "completed"
    ), result
    assert cells(both, "orders", "summary") == of_mysql(both, SUMMARY)
    assert cells(both, "orders", "detail") == of_mysql(both, DETAIL)
    assert cells(both, "crm_orders", "summary") == of_postgresql(crm, SUMMARY)
    masked = cells(both, "crm_orders", "detail")
    clear = of_postgresql(crm, DETAIL)
    assert [row[:3] for row in masked] == [row[:3] for row in clear]
    assert masked[0][3] == "138****0001"
    assert "13800000002" not in str(masked)
    row = row_of(both, result.batch_job_id)
    assert (row["status"], row["total_items"]) == ("completed", 10)
    by_table = {name: each["by_table"][name] for name, each in row["metadata"]["results"].items()}
    assert {name: each.get("source") for name, each in by_table.items()} == {"orders": None, "crm_orders": "crm"}
    assert event is not None
    assert event.asset_materialization is not None
    metadata: Any = event.asset_materialization.metadata
    deps = metadata["dagster/column_lineage"].value.deps_by_column.values()
    assert {tuple(dep.asset_key.path) for found in deps for dep in found} == {
        ("postgresql", "crm", crm["dbname"], "public", "orders")
    }
    assert observed.records
    assert pools[f"source_crm.{crm['dbname']}"] == 2
    # Nothing that people are shown of the one kind names the other.
    assert "mysql" not in f"{metadata}".lower()


def test_each_kind_has_its_own_keys_and_names_in_what_dagster_shows(both: Deployment, crm: dict[str, Any]):
    definitions = build_definitions(load_project(load_settings()))
    shown = [
        spec
        for spec in definitions.resolve_all_asset_specs()
        if "crm_orders" in str(spec.key) or "crm" in spec.key.path
    ]
    assert shown
    for spec in shown:
        assert "mysql" not in f"{spec}".lower(), spec
    tables = {
        assets.op.name.removeprefix(OP_PREFIX): assets
        for assets in definitions.assets or ()
        if isinstance(assets, AssetsDefinition) and assets.is_executable and assets.op.name.startswith(OP_PREFIX)
    }
    assert tables["orders"].op.pool == f"source_{both.database}"
    assert tables["crm_orders"].op.pool == f"source_crm.{crm['dbname']}"
    assert (
        source_key(crm["dbname"], "public", "orders", source="crm", kind="postgresql")
        in tables["crm_orders"].dependency_keys
    )


def test_plan_check_and_health_ask_each_kind(both: Deployment):
    planned = CliRunner().invoke(main, ["plan"], catch_exceptions=False)
    assert planned.exit_code == 0, planned.output
    _, _, of_crm = planned.output.partition("crm_orders")
    assert of_crm
    settings = load_settings()
    case = Case(settings, load_project(settings))
    subjects = {
        name: subject for name, subject in subjects_of(case).items() if name.startswith(("mysql", "postgresql_"))
    }
    assert list(subjects) == ["mysql", "postgresql_crm"]
    findings = list(examine(case, subjects))
    assert ("postgresql_crm", "reach") in {(each.subject, each.name) for each in findings}
    for each in findings:
        assert each.subject == "mysql" or "mysql" not in f"{each}".lower(), each
    sources = CurrentProject(settings).sources()
    with open_probes(settings, cast("Any", SimpleNamespace(instance=None)), sources) as probes:
        asked = {probe.name: probe for probe in probes if probe.name.startswith(("mysql", "postgresql"))}
        for probe in asked.values():
            if (answer := probe.ask()) is not None:
                answer.result(30)
        assert {name: probe.outcome().problem for name, probe in asked.items()} == {
            "mysql": None,
            "postgresql_crm": None,
        }


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("hints: '/*+ INDEX(orders by_day) */'", "cannot be given hints to its optimizer"),
        ("table: 'orders_{00..03}'", "cannot read several tables as one"),
    ],
)
def test_what_a_kind_cannot_do_is_refused_by_name_at_load(both: Deployment, crm: dict[str, Any], keys: str, words: str):
    refused = f"      refused: {{source: crm, select_fields: [id], {keys}}}"
    configure(both, crm, refused)
    with pytest.raises(ConfigError) as error:
        load_project(load_settings())
    assert "refused" in str(error.value)
    assert f"a source of the kind postgresql (PostgreSQL) {words}" in str(error.value)


def test_variables_alone_make_a_source_of_a_kind(
    both: Deployment, crm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    both.configure("tables: {crm_orders: {source: crm, table: orders, select_fields: [{expr: 'id::text', alias: id}]}}")
    values = {"KIND": "postgresql", "SOCKET": crm["host"], "USER": crm["user"], "NAME": crm["dbname"]}
    for key, value in values.items():
        monkeypatch.setenv(f"DB_CRM_{key}", value)
    (table,) = load_project(load_settings()).tables
    assert (table.source().kind, table.source().port) == ("postgresql", 5432)
    monkeypatch.setenv("DB_CRM_KIND", "postgres")
    settings = load_settings()
    with pytest.raises(ConfigError) as error:
        load_project(settings)
    assert "1 issue:" in str(error.value)
    assert "tables.crm_orders: there is no kind of source 'postgres'" in str(error.value)
    assert "DB_<NAME>_KIND" in str(error.value)
    # Dagster's services show the table with this, and run the others.
    project = load_usable_project(settings, None)
    (table,) = project.tables
    assert "there is no kind of source 'postgres'" in str(table.entry.issues)
    Definitions.validate_loadable(build_definitions(project))


def test_the_database_without_a_name_may_be_of_another_kind(
    both: Deployment, crm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    both.configure("tables: {orders: {select_fields: [{expr: 'id::text', alias: id}]}}")
    values = {"KIND": "postgresql", "SOCKET": crm["host"], "USER": crm["user"], "NAME": crm["dbname"]}
    for key, value in values.items():
        monkeypatch.setenv(f"DB_{key}", value)
    project = load_project(load_settings())
    with open_instance(project) as instance:
        result = run_tables(project, build_definitions(project), instance, tables=None, formats=None)
    assert result.status == "completed", result
    assert cells(both, "orders", "detail") == of_postgresql(crm, "SELECT id FROM orders ORDER BY id")
