"""Runs in a project of somebody else, whose Dagster keeps its runs in SQLite: a table, and what depends on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance, DagsterResourceFunctionError, Definitions, ExecuteInProcessResult

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline_tests.support.host_project import EXAMPLE, HostProject, new_host
from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = pytest.mark.slow
ROWS = (
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, status VARCHAR(10), amount DECIMAL(20,4))",
    "INSERT INTO orders VALUES (1, 'paid', 12345678901234.5678), (2, 'paid', 0.0001), (3, '退款', 1)",
)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as opened:
        yield opened


@pytest.fixture
def host(mariadb: MySQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostProject:
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in ROWS:
            cursor.execute(statement)
    source = {"DB_SOCKET": mariadb.unix_socket, "DB_USER": mariadb.user, "DB_NAME": database}
    host = new_host(tmp_path, monkeypatch, **source)
    shutil.copytree(EXAMPLE / "shop_project/defs", host.package / "defs", dirs_exist_ok=True)
    return host


def run(definitions: Definitions, instance: DagsterInstance, *keys: str, **more: Any) -> ExecuteInProcessResult:
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[AssetKey.from_user_string(key) for key in keys], **more
    )


def test_an_asset_gets_the_rows_of_a_table_and_keeps_its_own_where_the_project_says(
    host: HostProject,
    instance: DagsterInstance,
    postgres: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("BATCH_JOBS_URL", postgres.fresh_database())
    result = run(
        host.load(),
        instance,
        *("aggregation/orders", "export/orders_json", "export/orders_csv", "export/orders_manifest"),
        *("revenue", "announcement"),
    )
    assert result.success
    stored = pl.read_parquet(tmp_path / "reports" / "revenue.parquet")
    assert str(stored["revenue"][0]) == "12345678901235.5679"
    assert list((tmp_path / "exports" / "orders").rglob("orders.json"))
    assert {check.check_name for check in result.get_asset_check_evaluations()} >= {"snapshot_held"}


def test_assets_of_a_prefix_are_materialized_under_their_keys(
    host: HostProject, instance: DagsterInstance, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAGSTER_PG_URL", postgres.fresh_database())
    path = host.package / "defs" / "shop" / "defs.yaml"
    path.write_text(path.read_text().replace("attributes:\n", "attributes:\n  key_prefix: [warehouse]\n", 1))
    (host.package / "defs" / "reports.py").unlink()
    result = run(host.load(), instance, "warehouse/aggregation/orders", "warehouse/export/orders_json")
    assert result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert made >= {
        "warehouse/aggregation/orders",
        "warehouse/export/orders_json",
        "warehouse/export/orders_manifest",
    }
    observed = {event.asset_key for event in result.get_asset_observation_events()}
    assert {key and key.path[0] for key in observed} == {"warehouse"}


def test_a_run_without_postgresql_says_what_is_needed(host: HostProject, instance: DagsterInstance):
    with pytest.raises(DagsterResourceFunctionError) as caught:
        run(host.load(), instance, "aggregation/orders")
    assert isinstance(caught.value.__cause__, SettingsError)
    assert "tables of shop need PostgreSQL" in str(caught.value.__cause__)
    assert "Set DAGSTER_PG_URL, or BATCH_JOBS_URL" in str(caught.value.__cause__)
