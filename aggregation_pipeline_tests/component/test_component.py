"""`AggregationComponent` in a project of somebody else: what it adds there, and what it says when it cannot."""

import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from dagster import AssetKey, AssetsDefinition, Definitions, ScaffoldRequest
from dagster.components.core.component_tree import ComponentTreeException

from aggregation_pipeline import AggregationComponent
from aggregation_pipeline.component.own_settings import settings_of
from aggregation_pipeline.component.scaffolder import AggregationScaffolder
from aggregation_pipeline.settings.named_sources import NamedSources
from aggregation_pipeline_tests.support.host_project import EXAMPLE, HostProject, new_host

POSTGRES = "postgresql+psycopg2://nobody@127.0.0.1:9/none"
SOURCE = {"DB_HOST": "127.0.0.1", "DB_USER": "nobody", "DB_NAME": "shop"}
TYPE = "type: aggregation_pipeline.AggregationComponent\n"
ORDERS = TYPE + "attributes: {tables: {orders: {group_by: [status], aggregations: [{function: COUNT, alias: n}]}}}\n"
DAILY = """
    type: aggregation_pipeline.AggregationComponent
    attributes:
      key_prefix: [warehouse]
      batch_jobs: true
      settings: {DB_NAME: other, TIMEZONE: UTC, OSS_LINKS_IN_METADATA: true, OSS_PREFIX: night}
      tables:
        orders: {partition: {column: created_at, every: day, start: 2026-01-01}, schedule: 0 3 * * *}
    post_processing:
      assets:
        - target: "*"
          attributes: {group_name: nightly}
    """


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostProject:
    return new_host(tmp_path, monkeypatch, DAGSTER_PG_URL=POSTGRES, **SOURCE)


def names(definitions: Definitions) -> dict[str, set[str]]:
    repository = definitions.get_repository_def()
    return {
        "assets": {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()},
        "jobs": {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")},
        "schedules": {each.name for each in repository.schedule_defs},
        "sensors": {each.name for each in repository.sensor_defs},
        "resources": set(repository.get_top_level_resources()),
    }


def test_two_components_and_a_project_share_a_code_location_without_a_clash(host: HostProject):
    host.write("shop/defs.yaml", ORDERS)
    host.write("night/defs.yaml", DAILY)
    for name in ("reports.py", "resources.py"):
        shutil.copy(EXAMPLE / "shop_project/defs" / name, host.package / "defs")
    definitions = host.load()
    found = names(definitions)
    assert found["assets"] == {
        *("mysql/shop/orders", "aggregation/orders", "export/orders_json", "export/orders_manifest"),
        *("warehouse/mysql/other/orders", "warehouse/aggregation/orders"),
        *("warehouse/export/orders_json", "warehouse/export/orders_manifest"),
        *("revenue", "announcement"),
    }
    assert found["jobs"] == {
        "shop_aggregate",
        "shop_retention",
        "night_aggregate_daily_partitions_at_0300",
        "night_retention",
    }
    assert found["schedules"] == {f"{job}_schedule" for job in found["jobs"]}
    statuses = ("queued", "started", "success", "failure", "canceled")
    assert found["sensors"] == {
        "night_catch_up",
        "night_internal_batch_jobs_reconcile",
        *(f"night_internal_batch_jobs_{status}" for status in statuses),
    }
    assert found["resources"] == {
        "io_manager",
        *(f"{name}_{key}" for name in ("shop", "night") for key in ("publisher", "heartbeat", "io_manager")),
    }
    graph = definitions.resolve_asset_graph()
    assert graph.get(AssetKey(["warehouse", "aggregation", "orders"])).group_name == "nightly"
    (table,) = [
        each
        for each in definitions.assets or ()
        if isinstance(each, AssetsDefinition) and AssetKey(["aggregation", "orders"]) in each.keys
    ]
    assert table.op.name == "shop__aggregate_orders"
    assert table.get_io_manager_key_for_asset_key(AssetKey(["aggregation", "orders"])) == "shop_io_manager"


def test_what_is_switched_off_is_not_there(host: HostProject):
    host.write("shop/defs.yaml", DAILY.replace("batch_jobs: true", "schedules: false\n      sensors: false"))
    found = names(host.load())
    assert (found["schedules"], found["sensors"]) == (set(), set()), "no condition is left for a sensor of Dagster's"
    assert "shop_retention" in found["jobs"]


def test_a_mistake_in_a_table_is_said_with_its_line_and_the_right_word(host: HostProject):
    path = host.write(
        "shop/defs.yaml",
        """\
        type: aggregation_pipeline.AggregationComponent
        attributes:
          tables:
            orders:
              grup_by: [status]
              aggregations:
                - {function: SUMM, field: amount, alias: revenue}
        """,
    )
    said = refused(host)
    assert "cannot be used, 2 issues" in said
    assert f"{path}:5:" in said
    assert "tables.orders.grup_by" in said
    assert "group_by" in said
    assert f"{path}:7:" in said
    assert "SUM" in said


def test_a_file_is_read_from_the_folder_of_the_component(host: HostProject, tmp_path: Path):
    host.write("shop/defs.yaml", TYPE + "attributes: {config: aggregation.yaml, name: store}\n")
    path = host.write("shop/aggregation.yaml", "tables: {users: {formats: [csv]}}\n")
    assert "store_aggregate" in names(host.load())["jobs"]
    path.write_text("tables: {users: {formats: [cvs]}}\n")
    assert f"{path}:1:" in refused(host)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ("{}", "either tables or config is expected under attributes, and neither is there"),
        ("{tables: {}, config: a.yaml}", "and both are there"),
        ("{config: none.yaml}", "config: there is no file .*none.yaml. It is looked for in the folder"),
        ("{tables: {a: {}}, name: a__b}", "name: 'a__b' is no name of a component"),
        ("{tables: {a: {}}, key_prefix: [a/b]}", "key_prefix: .a/b. is no part of a key"),
        (
            "{tables: {a: {}}, settings: {DB_NAM: x}}",
            "settings: DB_NAM is no variable .* Was DB_NAME meant",
        ),
        (
            "{tables: {a: {}}, settings: {DB_PORT: many}}",
            r"settings, or the environment .* cannot be used:\n  - DB_PORT: a whole number",
        ),
        ("{tables: {a: {}}, settings: {RUNNER: celery}}", "settings: RUNNER is for a deployment of its own"),
        ("{tables: {a: {}}, settings: {OSS_PREFIX: '{{ env.NONE_X }}'}}", "settings: OSS_PREFIX has no value"),
        (
            "{tables: {a: {}}, settings: {DB_PASSWORD_FILE: /none}}",
            r"settings, or the environment .*:\n  - DB_PASSWORD_FILE: /none cannot be read",
        ),
    ],
)
def test_wrong_attributes_are_refused_in_words(host: HostProject, attributes: str, words: str):
    host.write("shop/defs.yaml", f"{TYPE}attributes: {attributes}\n")
    assert re.search(words, refused(host))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ("{name: shop, tables: {b: {}}}", "is called shop, as this one: give one of them a `name`"),
        ("{tables: {a: {}}}", "has the asset aggregation/a, as this one: give one of them a `key_prefix`"),
        (
            "{key_prefix: [x], tables: {a: {}}}",
            "writes its files to a/, as this one: give one of them another OSS_PREFIX",
        ),
        ("{key_prefix: [x], tables: {a: {}}, settings: {OSS_PREFIX: x}}", ""),
    ],
)
def test_components_do_not_take_each_others_names_and_folders(host: HostProject, second: str, words: str):
    for name, attributes in (("shop", "{tables: {a: {}}}"), ("night", second)):
        host.write(f"{name}/defs.yaml", f"{TYPE}attributes: {attributes}\n")
    if words:
        assert words in refused(host)
    else:
        assert len(names(host.load())["schedules"]) == 4


def test_variables_of_the_project_around_that_mean_something_else_change_nothing(
    host: HostProject, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {
        "RUNNER": "gitlab", "EXECUTOR": "celery", "LOG_FORMAT": "console", "ALLOWED_HOSTS": "*", "STOP_SECONDS": "-1",
        "COMPUTE_LOGS": "s3", "OIDC_ISSUER": "x", "SUPABASE_URL": "http://127.0.0.1:54321", "AGGREGATION_TABLES": "b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    host.write("shop/defs.yaml", ORDERS)
    assert "aggregation/orders" in names(host.load())["assets"]


@pytest.mark.usefixtures("host")
def test_settings_go_before_all_that_the_environment_says_of_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bucket = {"BUCKET": "shop-exports", "REGION": "cn-hangzhou", "ACCESS_KEY_ID": "k", "ACCESS_KEY_SECRET": "s"}
    monkeypatch.delenv("DB_HOST")
    for name, value in {**{f"OSS_{key}": value for key, value in bucket.items()}, "DB_SOCKET": "/their.sock"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DB_PASSWORD", "theirs")
    monkeypatch.setenv("DB_CRM_SOCKET", "/crm.sock")
    (tmp_path / "password").write_text("ours\n")
    own = {
        "DB_HOST": "ours", "DB_PASSWORD_FILE": str(tmp_path / "password"), "STORAGE_DIR": str(tmp_path / "ours"),
        "DB_CRM_HOST": "crm", "DB_CRM_USER": "u", "DB_CRM_NAME": "shop", "DB_CRM_PASSWORD": None,
    }  # fmt: skip
    settings = settings_of(own, records_runs=False)
    assert (settings.db_host, settings.db_socket, settings.oss_bucket) == ("ours", None, None)
    assert settings.db_password is not None
    assert settings.db_password.get_secret_value() == "ours"
    crm = NamedSources(settings, {}).of("crm")
    assert (crm.db_host, crm.db_socket, crm.db_password.get_secret_value()) == ("crm", None, "")


def test_recording_runs_needs_a_place(host: HostProject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DAGSTER_PG_URL")
    host.write("shop/defs.yaml", DAILY)
    assert "batch_jobs: true records runs, and nothing says where: set BATCH_JOBS_URL" in refused(host)


def test_editors_and_dg_check_tables_by_the_schema_of_the_attributes(tmp_path: Path):
    model = AggregationComponent.get_model_cls()
    assert model is not None
    schema = model.model_json_schema()
    validator = jsonschema.Draft202012Validator(schema)
    example = yaml.safe_load((EXAMPLE / "shop_project/defs/shop/defs.yaml").read_text())
    assert not list(validator.iter_errors(example["attributes"]))
    AggregationScaffolder().scaffold(request(tmp_path))
    assert not list(validator.iter_errors(yaml.safe_load((tmp_path / "defs.yaml").read_text())["attributes"]))
    mistakes: list[dict[str, Any]] = [
        {"tables": {"a": {"grup_by": ["b"]}}},
        {"tabels": {}},
        {"tables": {"a": {"formats": ["cvs"]}}},
    ]
    assert [wrong for wrong in mistakes if not list(validator.iter_errors(wrong))] == []


def test_what_is_scaffolded_loads_also_behind_another_component(host: HostProject):
    folder = host.package / "defs" / "shop"
    folder.mkdir()
    AggregationScaffolder().scaffold(request(folder))
    assert "shop_aggregate" in names(host.load())["jobs"]
    path = folder / "defs.yaml"
    AggregationScaffolder().scaffold(request(path, append=True))
    apart = "  settings: {OSS_PREFIX: shop}\n  key_prefix"
    path.write_text(path.read_text().replace("  # key_prefix", apart, 1))
    assert {"shop_aggregate", "shop_1_aggregate"} <= names(host.load())["jobs"]


def request(path: Path, **more: Any) -> ScaffoldRequest[Any]:
    return ScaffoldRequest(
        type_name="aggregation_pipeline.AggregationComponent",
        target_path=path,
        scaffold_format="yaml",
        project_root=None,
        params=None,
        **more,
    )


def refused(host: HostProject) -> str:
    """What is said when the project cannot be loaded: Dagster wraps our error."""
    with pytest.raises(ComponentTreeException) as caught:
        host.load()
    error: BaseException | None = caught.value
    said = []
    while error is not None:
        said.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(said)
