"""The whole way to OSS: from the database through Dagster's run to the bucket, on good days and on bad ones."""

import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from dagster import AssetCheckSeverity, AssetKey, DagsterInstance, EventLogEntry, ExecuteInProcessResult
from dagster._serdes import serialize_value

from aggregation_pipeline.assets.keys import export_key, manifest_key
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.instance import log_handlers
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.source.mysql.connection import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.lock import NoLock
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.published import fetch_window, latest_window, load_manifest
from aggregation_pipeline_tests.support.oss_deployment import WINDOW, run_job, variables
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
from aggregation_pipeline_tests.support.servers.oss.server import KEY_ID, SECRET, OssServer

ORDERS = (
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, status VARCHAR(10), price DECIMAL(20,4))",
    "INSERT INTO orders VALUES (9007199254740993, 'paid', 12345678901234.5678), (2, 'paid', 0.0001), (3, '退款', NULL)",
)
# How a presigned link looks in either version of signing.
PRESIGNED = re.compile(r"x-oss-signature|x-oss-credential|[?&]Signature=|OSSAccessKeyId", re.IGNORECASE)


@pytest.fixture(scope="module")
def dagster_url(postgres: PostgresServer) -> str:
    return postgres.fresh_database()


@pytest.fixture(scope="module")
def instance(dagster_url: str) -> Iterator[DagsterInstance]:
    with open_instance(dagster_url) as opened:
        yield opened


@pytest.fixture
def database(mariadb: MySQLServer) -> str:
    name = mariadb.fresh_database()
    with mariadb.connect(database=name) as connection, connection.cursor() as cursor:
        for statement in ORDERS:
            cursor.execute(statement)
    return name


@pytest.fixture
def environment(
    oss_server: OssServer, tmp_path: Path, mariadb: MySQLServer, database: str, dagster_url: str
) -> dict[str, str]:
    return variables(oss_server, tmp_path, mariadb, database, dagster_url)


@pytest.fixture
def run(
    environment: dict[str, str], instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ExecuteInProcessResult]]:
    """Run the job in this process, configured by `environment` and what is given; a step that fails is not tried
    again.
    """
    monkeypatch.setattr("aggregation_pipeline.assets.retries.MAX_RETRIES", 0)
    monkeypatch.setattr("aggregation_pipeline.export.publishing.PAUSES", (0.1, 0.1))

    def once(**changes: str) -> ExecuteInProcessResult:
        for name, value in {**environment, **changes}.items():
            monkeypatch.setenv(name, value)
        log_handlers.configure(load_settings(), terminal=False)
        return run_job(instance)

    yield once
    ours = logging.getLogger("aggregation_pipeline")  # back to how it was before
    for handler in list(ours.handlers):
        ours.removeHandler(handler)
        handler.close()
    ours.propagate = True


@pytest.fixture
def everything_written(
    instance: DagsterInstance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[[str], str]:
    """All that a run leaves behind where others read: events as they are stored, log lines of every library at DEBUG,
    log files.
    """
    for name in (
        "",
        "dagster",
        "aggregation_pipeline",
        "oss2",
        "oss2.api",
        "oss2.http",
        "oss2.auth",
        "urllib3",
        "requests",
    ):
        caplog.set_level(logging.DEBUG, logger=name)

    def collected(run_id: str) -> str:
        events = [serialize_value(entry) for entry in instance.all_logs(run_id)]
        files = [path.read_text(encoding="utf-8") for path in (tmp_path / "logs").glob("*.log")]
        assert len(events) > 10
        return "\n".join([*events, *files, caplog.text])

    return collected


def metadata_of(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (found,) = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {name: value.value for name, value in found.materialization.metadata.items()}


def test_a_window_goes_from_the_database_to_the_bucket_and_comes_back_the_same(
    oss_server: OssServer, mariadb: MySQLServer, database: str, tmp_path: Path
):
    entry = TableEntry.model_validate({"name": "orders", "select_fields": ["id", "status", "price"]})
    request = ReadRequest(entry, WINDOW, datetime(2026, 11, 19, 18, tzinfo=UTC), ZoneInfo("Asia/Shanghai"), "null")
    source = SourceOptions(database=database, user=mariadb.user, socket=Path(mariadb.unix_socket))
    store = OssStore(oss_server.options(temp_dir=tmp_path / "temp", encryption="AES256"))
    destination = Destination(store, "daily", "run-1", FormatOptions(), tmp_path / "temp", NoLock())

    exported = export_window(request, source, ["json", "csv", "excel", "parquet"], destination, SilentObserver())
    assert load_manifest(store, "daily", "orders", WINDOW) == exported.manifest
    fetched = {path.name: path for path in fetch_window(store, exported.manifest, tmp_path / "read")}
    rows = json.loads(fetched["orders.json"].read_text(encoding="utf-8"))["detail"]
    assert [(str(row["id"]), row["status"], row["price"]) for row in rows] == [
        ("2", "paid", "0.0001"),
        ("3", "退款", None),
        ("9007199254740993", "paid", "12345678901234.5678"),
    ]
    (put,) = [request for request in oss_server.sent("PUT") if request.key.endswith("run-1/orders.xlsx")]
    assert put.headers["x-oss-server-side-encryption"] == "AES256"
    assert put.headers["x-oss-object-acl"] == "private"
    assert put.headers["x-oss-meta-rows"] == "3"


def test_a_run_publishes_and_leaves_no_secret_and_no_presigned_link_in_events_and_logs(
    run: Callable[..., ExecuteInProcessResult], everything_written: Callable[[str], str], oss_server: OssServer
):
    result = run()
    assert result.success
    found = metadata_of(result, export_key("orders", "csv"))
    assert found["dagster/uri"] == f"oss://shop-exports/daily/orders/{WINDOW}/orders.detail.csv"
    assert found["console"].endswith(f"/bucket/oss-cn-hangzhou/shop-exports/object?path=daily%2Forders%2F{WINDOW}%2F")
    assert found["download"] == f"`aggregation-pipeline download --table orders --window {WINDOW}`"
    assert "links" not in found
    written = everything_written(result.run_id)
    assert f"sent daily/orders/{WINDOW}/{result.run_id}/orders.json" in written
    assert SECRET not in written
    assert KEY_ID not in written
    assert PRESIGNED.search(written) is None
    assert {request.signature for request in oss_server.requests} == {"v4"}


@pytest.mark.parametrize("trouble", ["wrong key", "out of order", "clock"])
def test_a_run_that_fails_at_oss_names_the_remedy_and_no_secret(
    run: Callable[..., ExecuteInProcessResult],
    everything_written: Callable[[str], str],
    oss_server: OssServer,
    trouble: str,
):
    words = {
        "wrong key": "copy OSS_ACCESS_KEY_SECRET again",
        "out of order": "Given up after 2 attempts",
        "clock": "timedatectl",
    }
    if trouble == "wrong key":
        oss_server.access.keys[KEY_ID] = "another"
    elif trouble == "clock":
        oss_server.access.clock_offset = -(datetime(2026, 1, 2, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC))
    else:
        oss_server.fail("status", method="PUT", times=99)
    result = run()
    assert not result.success
    written = everything_written(result.run_id)
    assert words[trouble] in written
    for hidden in (SECRET, KEY_ID, "StringToSign", "OSS4-HMAC"):
        assert hidden not in written
    assert PRESIGNED.search(written) is None


def test_a_store_that_is_out_of_order_for_a_while_costs_no_second_reading_of_the_database(
    run: Callable[..., ExecuteInProcessResult], instance: DagsterInstance, oss_server: OssServer
):
    # Two requests in vain are one round of publishing: the third round gets through.
    oss_server.fail("status", method="PUT", matching="manifest.json", times=4)
    result = run()
    assert result.success
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert len([line for line in messages if "reading orders as of" in line]) == 1
    assert len([line for line in messages if "publishing again in a moment, from the same extract" in line]) == 2
    # A request of an earlier attempt may still be under way: each has a folder of its own.
    folder = f"daily/orders/{WINDOW}/{result.run_id}"
    sent = [
        request.key
        for request in oss_server.sent("PUT")
        if request.key.startswith(folder) and request.key.endswith("/orders.json")
    ]
    assert sent == [f"{folder}{attempt}/orders.json" for attempt in ("", ".2", ".3")]


def test_links_stand_in_the_metadata_of_exports_only_where_they_were_asked_for_and_nowhere_else(
    run: Callable[..., ExecuteInProcessResult], everything_written: Callable[[str], str], instance: DagsterInstance
):
    result = run(OSS_LINKS_IN_METADATA="true", OSS_LINK_SECONDS="600")
    assert result.success
    found = metadata_of(result, export_key("orders", "json"))
    (link,) = re.findall(r"\]\((http[^)]+)\)", found["links"])
    assert "x-oss-expires=600" in link
    assert 500 < found["links expire"] - time.time() < 700

    def holds_links(entry: EventLogEntry) -> bool:
        return PRESIGNED.search(serialize_value(entry)) is not None

    with_links = [entry for entry in instance.all_logs(result.run_id) if holds_links(entry)]
    assert {
        entry.dagster_event.asset_key.path[-1]
        for entry in with_links
        if entry.dagster_event and entry.dagster_event.asset_key
    } == {
        "orders_json",
        "orders_csv",
        "orders_excel",
        "orders_parquet",
    }
    assert [entry for entry in with_links if PRESIGNED.search(entry.user_message or "")] == []
    written = everything_written(result.run_id)
    for entry in with_links:
        written = written.replace(serialize_value(entry), "")
    assert PRESIGNED.search(written) is None
    assert SECRET not in written
    assert requests.get(link, timeout=10).json()["table"] == "orders"


def test_a_run_killed_between_the_last_file_and_the_manifest_is_made_good_by_the_next(
    environment: dict[str, str],
    dagster_url: str,
    oss_server: OssServer,
    tmp_path: Path,
    run: Callable[..., ExecuteInProcessResult],
):
    held = oss_server.fail("hang", method="PUT", matching="manifest.json", seconds=5)
    command = [sys.executable, "-m", "aggregation_pipeline_tests.support.oss_deployment", dagster_url]
    child = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while held.times and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.wait(timeout=10)
    assert held.times == 0, "the process never came to the manifest"
    oss_server.faults.clear()
    store = OssStore(oss_server.options())
    assert load_manifest(store, "daily", "orders", WINDOW) is None
    assert latest_window(store, "daily", "orders") is None
    arrived = {request.key for request in oss_server.sent("PUT") if request.status == 200}
    assert len(arrived) == 9  # the mark, JSON, Excel, two of CSV and Parquet, two extracts

    result = run()
    assert result.success
    manifest = load_manifest(store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == result.run_id
    fetch_window(store, manifest, tmp_path / "read")
    assert manifest.keys.isdisjoint(arrived)


def test_stable_names_are_turned_off_by_a_line_in_the_config(
    run: Callable[..., ExecuteInProcessResult], oss_server: OssServer, environment: dict[str, str]
):
    config = Path(environment["AGGREGATION_CONFIG"])
    config.write_text("names: none\n" + config.read_text(encoding="utf-8"), encoding="utf-8")
    result = run()
    assert result.success
    manifest = load_manifest(OssStore(oss_server.options()), "daily", "orders", WINDOW)
    assert manifest is not None
    assert {file.key.rpartition("/")[0] for file in manifest.files} == {f"daily/orders/{WINDOW}/{result.run_id}"}
    assert metadata_of(result, export_key("orders", "json"))["dagster/uri"].endswith(f"/{result.run_id}/orders.json")
    config.write_text(config.read_text(encoding="utf-8") + "    names: copy\n", encoding="utf-8")
    assert run().success
    assert f"daily/orders/{WINDOW}/orders.json" in oss_server.bucket.objects


def test_a_name_that_cannot_be_set_is_a_failed_check_of_the_manifest_and_no_failed_run(
    run: Callable[..., ExecuteInProcessResult], oss_server: OssServer
):
    name = f"daily/orders/{WINDOW}/orders.json"
    oss_server.fail(
        "status", method="PUT", matching=f"{WINDOW}%2Forders.json", times=99, status=403, code="AccessDenied"
    )
    result = run()
    assert result.success
    (check,) = [event for event in result.get_asset_check_evaluations() if event.check_name == "stable_names_set"]
    assert (check.passed, check.severity, check.asset_key) == (False, AssetCheckSeverity.WARN, manifest_key("orders"))
    assert f"copy 'daily/orders/{WINDOW}/{result.run_id}/orders.json' to '{name}'" in (check.description or "")
    assert metadata_of(result, export_key("orders", "json"))["dagster/uri"].endswith(f"/{result.run_id}/orders.json")
    oss_server.faults.clear()
    result = run()
    (check,) = [event for event in result.get_asset_check_evaluations() if event.check_name == "stable_names_set"]
    assert check.passed
    assert name in oss_server.bucket.objects
