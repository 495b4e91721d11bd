"""Shards of a source by name: values, masks, lineage, plan, check and drafts are those of its tables alone."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.doctor.examination import examine
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.doctor.subjects import subjects_of
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CONFIG = """
    sources:
      crm: {{socket: {socket}, user: root, database: {crm}}}
    tables:
      orders:
        source: crm
        table: orders_{{00..03}}
        shard_column: shard
        group_by: [shard]
        aggregations: [{{function: SUM, field: amount, alias: amount}}]
        select_fields: [shard, id, phone]
        mask: {{phone: partial}}
      plain: {{table: "orders_{{00..01}}", select_fields: [id, phone]}}
      same: {{table: "{crm}.orders_03", select_fields: [phone]}}
      gone: {{source: crm, table: "orders_{{02..05}}", select_fields: [id], formats: csv}}
"""


@pytest.fixture
def shop(mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    crm = mariadb.fresh_database()
    for place, name in enumerate([*(f"{crm}.orders_0{n}" for n in range(5)), "orders_00", "orders_01"]):
        made.execute(
            f"CREATE TABLE {name} (id INT PRIMARY KEY, phone VARCHAR(20), amount INT)",
            f"INSERT INTO {name} VALUES (1, '1380000000{place}', {10**place})",
        )
    made.configure(CONFIG.format(socket=mariadb.unix_socket, crm=crm))
    (tmp_path / ".env").touch()
    made.enter(monkeypatch, OUTPUT_FORMAT="csv", AGGREGATION_ENV_FILE=str(tmp_path / ".env"))
    monkeypatch.chdir(REPOSITORY)
    return made


def cells(shop: Deployment, name: str, dataset: str) -> list[list[str]]:
    (path,) = shop.exports.glob(f"{name}/latest/{name}.{dataset}.csv")
    return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))[1:]


def test_masks_reach_every_shard_of_the_source_and_no_other(shop: Deployment, tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    text = path.read_text(encoding="utf-8")
    load_config(path)
    for table in ("orders_02", "[orders_04, orders_01]"):
        path.write_text(f"{text}  more: {{source: crm, table: {table}, select_fields: [phone]}}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"tables\.more\.select_fields\[0\]: the output phone shows"):
            load_config(path)


@pytest.mark.slow
def test_shards_of_a_source(shop: Deployment):
    project = load_project(load_settings())
    crm = str(project.sources.options("crm").database)
    with open_instance(project) as instance:
        result = run_tables(project, build_definitions(project), instance, tables=None, formats=None)
        event = instance.get_latest_materialization_event(table_key("orders"))
        assert event is not None
        assert event.asset_materialization is not None
        metadata: Mapping[str, Any] = event.asset_materialization.metadata
        deps = metadata["dagster/column_lineage"].value.deps_by_column
    assert {name: table.status for name, table in result.tables.items()} == {
        "orders": "completed",
        "plain": "completed",
        "same": "completed",
        "gone": "failed",
    }
    assert "there is no orders_05, or DB_CRM_USER may not read it" in str(result.tables["gone"].error)
    assert cells(shop, "orders", "summary") == [[f"orders_0{n}", str(10**n)] for n in range(4)]
    assert cells(shop, "orders", "detail") == [[f"orders_0{n}", "1", f"138****000{n}"] for n in range(4)]
    assert cells(shop, "plain", "detail") == [["1", "13800000005"], ["1", "13800000006"]]
    for name, source in (("orders", "crm"), ("plain", "")):
        (path,) = shop.exports.glob(f"{name}/*/manifest.json")
        assert json.loads(path.read_text(encoding="utf-8"))["source"] == source
    (phone,) = (found for column, found in deps.items() if "phone" in column)
    assert {tuple(dep.asset_key.path) for dep in phone} == {("mysql", "crm", crm, f"orders_0{n}") for n in range(4)}
    case = Case(project.settings, project)
    found = {
        (each.subject, each.name): each
        for each in examine(case, {name: each for name, each in subjects_of(case).items() if name.startswith("mysql")})
    }
    assert "orders_{00..03} leaves out orders_04" in found["mysql_crm", "tables.orders"].text
    assert found["mysql_crm", "tables.gone"].status == "failure"
    assert "DB_CRM_USER" in found["mysql_crm", "tables.gone"].text
    assert found["mysql", "tables.plain"].text == "orders_{00..01} can be read: 2 shards, 3 columns"
    planned = CliRunner().invoke(main, ["plan", "--tables", "orders,plain,same", "--json"])
    assert planned.exit_code == 0, planned.output
    orders, _, same = json.loads(planned.stdout)["tables"]
    assert (orders["source"], orders["warnings"]) == (
        "orders_{00..03} of crm",
        ["orders_{00..03} leaves out orders_04, which is there too"],
    )
    assert (same["source"], same["problems"]) == (f"{crm}.orders_03", [])
    # Masks of the source do not reach its tables by another way, and check says so.
    assert cells(shop, "same", "detail") == [["13800000003"]]
    assert f"same reads {crm}.orders_03, of which the entry orders masks phone" in found["mysql", "masks"].text


def test_init_of_a_source_knows_the_shards_that_an_entry_reads(
    shop: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "aggregation.yaml"
    text = path.read_text(encoding="utf-8")
    shop.execute(f"CREATE TABLE {load_config(path).sources['crm'].database}.users (id INT PRIMARY KEY)")
    monkeypatch.chdir(tmp_path)
    arguments = ["init", "--source", "crm", "--output", str(tmp_path), "--yes"]
    drafted = CliRunner().invoke(main, arguments)
    assert drafted.exit_code == 0, drafted.output
    assert "gone: there is no table orders_05 any more" in drafted.stderr
    assert "orders: there is no table" not in drafted.stderr
    new = path.read_text(encoding="utf-8").removeprefix(text)
    assert "orders" not in new
    assert [(entry.name, entry.source) for entry in load_config(path).tables[4:]] == [("users", "crm")]
    again = CliRunner().invoke(main, [*arguments, "--tables", "orders_03"])
    assert "orders_03 has an entry already, which stays as it is." in again.stderr
