"""`files` and `download`, with a folder and with OSS: they show what the manifests say, and nothing else."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.storage.samples import sample_extract
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import KEY_ID, SECRET

Run = Callable[..., Result]


def publish_windows(monkeypatch: pytest.MonkeyPatch, folder: Path, variables: dict[str, str]) -> ObjectStore:
    """Publish two windows of one table and one of another. Only the store is configured."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given = {
        "AGGREGATION_ENV_FILE": os.devnull,
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "OSS_PREFIX": "daily",
    }
    for name, value in {**given, **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    store = open_store(load_settings())
    for table, window in (("orders", "2026-11-19"), ("orders", "2026-11-20"), ("用户/表", "2026-11-20")):
        publish(store, sample_extract(folder / "extract", table=table, window=window), folder / "out", run="run-1")
    return store


@pytest.fixture
def in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ObjectStore:
    return publish_windows(monkeypatch, tmp_path, {})


@pytest.fixture
def on_oss(oss_server: OssServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ObjectStore:
    return publish_windows(monkeypatch, tmp_path, {**oss_variables(oss_server), "OSS_ATTEMPTS": "2"})


@pytest.fixture(params=["in_a_folder", "on_oss"])
def published(request: pytest.FixtureRequest) -> ObjectStore:
    store: ObjectStore = request.getfixturevalue(request.param)
    return store


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def listed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    files: list[dict[str, Any]] = json.loads(result.stdout)["files"]
    return files


def test_files_lists_what_the_manifests_name(published: ObjectStore, run: Run):
    files = listed(run("files", "--json"))
    assert [(file["table"], file["window"]) for file in files] == (
        [("orders", "2026-11-19")] * 3 + [("orders", "2026-11-20")] * 3 + [("用户/表", "2026-11-20")] * 3
    )
    assert files[0] == {
        "table": "orders",
        "window": "2026-11-19",
        "name": "orders.detail.csv",
        "format": "csv",
        "dataset": "detail",
        "rows": 3,
        "bytes": files[0]["bytes"],
        "crc64": files[0]["crc64"],
        "uri": published.uri("daily/orders/2026-11-19/orders.detail.csv"),
        "key": "daily/orders/2026-11-19/run-1/orders.detail.csv",
        "run_id": "run-1",
    }
    assert {file["window"] for file in listed(run("files", "--table", "orders", "--window", "latest", "--json"))} == {
        "2026-11-20"
    }
    assert len(listed(run("files", "--window", "2026-11-20", "--json"))) == 6
    assert listed(run("files", "--table", "nobody", "--json")) == []
    text = run("files", "--table", "用户/表")
    assert "用户/表 2026-11-20  4 rows, run run-1" in text.stdout
    assert "?" not in text.stdout


def test_files_without_stable_names_are_shown_where_they_lie(published: ObjectStore, run: Run):
    published.delete("daily/orders/2026-11-20/orders.json")
    uris = {
        file["name"]: file["uri"] for file in listed(run("files", "--table", "orders", "--window", "latest", "--json"))
    }
    assert uris["orders.json"] == published.uri("daily/orders/2026-11-20/run-1/orders.json")
    assert uris["orders.detail.csv"] == published.uri("daily/orders/2026-11-20/orders.detail.csv")


def test_a_link_that_was_asked_for_downloads_the_file(on_oss: ObjectStore, run: Run):
    links = [
        file["link"] for file in listed(run("files", "--table", "orders", "--window", "latest", "--links", "--json"))
    ]
    reply = requests.get(links[0], timeout=10)
    assert reply.content == on_oss.read("daily/orders/2026-11-20/orders.detail.csv")
    assert run("files", "--links").stdout.count("x-oss-signature=") == 9


def test_a_folder_has_no_links_and_says_so(in_a_folder: ObjectStore, run: Run):
    result = run("files", "--links", "--json")
    assert {file["link"] for file in listed(result)} == {None}
    assert "Files in a folder have no download links" in result.stderr


def test_the_lifetime_of_a_link_is_a_setting_and_so_is_its_domain(
    on_oss: ObjectStore, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OSS_LINK_SECONDS", "77")
    monkeypatch.setenv("OSS_LINK_ENDPOINT", "https://files.example.com")
    link = listed(run("files", "--links", "--json"))[0]["link"]
    assert link.startswith("https://files.example.com/daily/orders/")
    assert "x-oss-expires=77" in link


def test_a_manifest_that_cannot_be_read_is_reported_and_the_others_are_listed(published: ObjectStore, run: Run):
    published.put(manifest_key("daily", "orders", "2026-11-19"), b"{}", media_type="application/json")
    result = run("files", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["files"]) == 6
    assert "orders/2026-11-19/manifest.json is not a manifest" in result.stderr


def test_download_fetches_the_newest_window_verified_with_its_manifest(
    published: ObjectStore, run: Run, tmp_path: Path
):
    result = run("download", "--table", "用户/表")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "用户%2F表" / "2026-11-20"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for file in manifest["files"]:
        assert crc64_of_file(folder / file["key"].rpartition("/")[2]) == (file["bytes"], file["crc64"])
    assert len(result.stdout.splitlines()) == len(manifest["files"]) == 3


def test_download_of_another_window_goes_where_it_is_told(published: ObjectStore, run: Run, tmp_path: Path):
    result = run("download", "--table", "orders", "--window", "2026-11-19", "--to", "here")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "here" / "manifest.json").read_bytes())["window"] == "2026-11-19"


def test_download_of_a_missing_window_lists_the_windows_that_exist(published: ObjectStore, run: Run):
    result = run("download", "--table", "orders", "--window", "2026-11-18")
    assert result.exit_code == 1
    assert "Table 'orders' has no window '2026-11-18'" in result.stderr
    assert "2026-11-19, 2026-11-20" in result.stderr
    assert "Nothing is published of table 'nobody'" in run("download", "--table", "nobody").stderr


def test_a_misspelt_name_is_an_error_and_a_name_without_files_yet_is_not(
    published: ObjectStore, run: Run, monkeypatch: pytest.MonkeyPatch
):
    for arguments, words in (
        (("--table", "ordrs"), "Nothing is published of table 'ordrs'; there are orders, 用户/表. Was orders meant?"),
        (("--table", "Orders"), "Was orders meant?"),
        (("--table", "用户/婊"), "Was 用户/表 meant?"),
        (
            ("--table", "orders，users"),
            "The sign ， is the full-width comma (U+FF0C), not an ASCII sign; write the ASCII sign ','",
        ),
        (
            ("--table", "orders", "--window", "2026-11-2"),
            "There is no window '2026-11-2'; the newest there are: 2026-11-19, 2026-11-20.",
        ),
    ):
        for more in ((), ("--json",)):
            result = run("files", *arguments, *more)
            assert result.exit_code == 1
            assert words in result.stderr
    assert "Was orders meant?" in run("download", "--table", "oders").stderr
    assert run("files", "--table", "orders", "--window", "2026-11-21").exit_code == 0
    monkeypatch.setenv("OSS_PREFIX", "another")
    result = run("files", "--table", "ordrs")
    assert (result.exit_code, result.stderr) == (0, "Nothing is published there yet.\n")


def test_download_of_a_file_that_is_not_what_its_manifest_says_fails_and_leaves_no_manifest(
    published: ObjectStore, run: Run, tmp_path: Path
):
    published.put("daily/orders/2026-11-20/run-1/orders.json", b"edited by hand", media_type="text/plain")
    result = run("download", "--table", "orders", "--to", "here")
    assert result.exit_code == 1
    assert "is not the file that its manifest names" in result.stderr
    assert not (tmp_path / "here" / "manifest.json").exists()


def test_an_error_of_oss_is_shown_without_a_secret(oss_server: OssServer, on_oss: ObjectStore, run: Run):
    oss_server.access.keys[KEY_ID] = "another"
    result = run("files", "--links")
    assert result.exit_code == 1
    assert "copy OSS_ACCESS_KEY_SECRET again" in result.stderr
    assert SECRET not in result.output
