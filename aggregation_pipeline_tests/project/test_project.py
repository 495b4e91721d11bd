"""What the file and the settings can only be asked together."""

import gc
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.project import load_project, load_usable_project
from aggregation_pipeline.settings.base import Settings


def settings(folder: Path, text: str, **variables: object) -> Settings:
    path = folder / "aggregation.yaml"
    path.write_text(text, encoding="utf-8")
    values: dict[str, Any] = {
        "aggregation_config": path,
        "dagster_pg_url": "postgresql://nobody@127.0.0.1:1/none",
        **variables,
    }
    return Settings(_env_file=None, **values)


def test_the_garbage_collector_goes_on_after_a_file_with_issues(tmp_path: Path):
    with pytest.raises(ConfigError):
        load_project(settings(tmp_path, "tables: {users: {limt: 1}}"))
    assert gc.isenabled()


def test_a_prefix_that_leaves_no_room_for_a_name_is_refused_at_start(tmp_path: Path):
    text = f"tables:\n  short: {{}}\n  {'x' * 200}: {{table: users}}\n"
    assert len(load_project(settings(tmp_path, text, oss_prefix="p/" * 100)).tables) == 2
    with pytest.raises(
        ConfigError,
        match=r"aggregation.yaml:3: tables.x{200}: The object key .* OSS takes 1023 at most. Shorten the entry",
    ):
        load_project(settings(tmp_path, text, oss_prefix="p/" * 300))


def test_a_file_of_another_name_is_called_by_it(tmp_path: Path):
    path = tmp_path / "prod-tables.yml"
    path.write_text("tables: {}\n", encoding="utf-8")
    values: dict[str, Any] = {"aggregation_config": path, "dagster_pg_url": "postgresql://nobody@127.0.0.1:1/none"}
    with pytest.raises(ConfigError, match=r"there is nothing under tables in prod-tables\.yml"):
        load_project(Settings(_env_file=None, **values))
    path.write_text("tables: {users: {select_fields: [id], mask: {id: hash}}}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"prod-tables\.yml masks users\.id by hash"):
        load_project(Settings(_env_file=None, **values))


def test_a_project_without_tables_is_refused_at_start(tmp_path: Path):
    for text in ("tables: {}\n", "tables:\n"):
        with pytest.raises(ConfigError, match="there is no table"):
            load_project(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("keys", "prefix", "words"),
    [
        ("orders/{name}_{stamp}.{ext}", "", "orders/ is the folder of the table 'orders'"),
        ("a%2Fb/{name}_{stamp}.{ext}", "", "a%2Fb/ is the folder of the table 'a/b'"),
        ("_extracts/{name}_{stamp}.{ext}", "", "_extracts/ is the folder of this package's own files"),
        ("daily/shop/old/{name}_{stamp}.{ext}", "daily/shop", "daily/shop/ is OSS_PREFIX"),
        ("data-aggregation/{YYYY}/{name}_{stamp}.{ext}", "data-aggregation", "data-aggregation/ is OSS_PREFIX"),
    ],
)
def test_files_of_compat_node_do_not_lie_among_those_of_the_tables(tmp_path: Path, keys: str, prefix: str, words: str):
    text = f'compat: {{node: {{keys: "{keys}"}}}}\ntables: {{orders: {{}}, a/b: {{table: orders}}}}\n'
    for load in (load_project, lambda given: load_usable_project(given, None)):
        with pytest.raises(ConfigError) as error:
            load(settings(tmp_path, text, oss_prefix=prefix))
        assert f"aggregation.yaml: compat.node.keys: {words}" in str(error.value)
        assert "Begin with a folder of another name" in str(error.value)
    # Elsewhere that folder is free.
    assert load_project(settings(tmp_path, text, oss_prefix="elsewhere")).node_files is not None


def test_the_default_keys_of_compat_node_are_checked_too(tmp_path: Path):
    text = "compat: node\ntables: {orders: {}}\n"
    assert load_project(settings(tmp_path, text, oss_prefix="data")).node_files is not None
    with pytest.raises(ConfigError, match="Begin with a folder of another name than the default, data-aggregation/"):
        load_project(settings(tmp_path, text, oss_prefix="data-aggregation"))
