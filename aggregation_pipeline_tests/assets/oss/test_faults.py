"""The whole way to OSS on bad days: refused, out of order, killed."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import AssetCheckSeverity, DagsterInstance, ExecuteInProcessResult

from aggregation_pipeline.assets.keys import export_key, manifest_key
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.published import fetch_window, latest_window, load_manifest
from aggregation_pipeline_tests.assets.oss.results import PRESIGNED, metadata_of
from aggregation_pipeline_tests.support.oss_deployment import WINDOW
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.oss.server import KEY_ID, SECRET, OssServer


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
    run: Callable[..., ExecuteInProcessResult],
    instance: DagsterInstance,
    oss_server: OssServer,
    caplog: pytest.LogCaptureFixture,
):
    files = logging.getLogger("aggregation_pipeline.assets.log_observer")
    caplog.set_level(logging.DEBUG, logger=files.name)
    files.addHandler(caplog.handler)
    # Two requests in vain are one round of publishing: the third round gets through.
    oss_server.fail("status", method="PUT", matching="manifest.json", times=4)
    result = run()
    files.removeHandler(caplog.handler)
    assert result.success
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert len({id(record) for record in caplog.records if "reading orders as of" in record.getMessage()}) == 1
    assert len([line for line in messages if "publishing again in a moment, from the same extract" in line]) == 2
    # A request of an earlier attempt may still be under way: each has a folder of its own.
    folder = f"daily/orders/{WINDOW}/{result.run_id}"
    sent = [
        request.key
        for request in oss_server.sent("PUT")
        if request.key.startswith(folder) and request.key.endswith("/orders.json")
    ]
    assert sent == [f"{folder}{attempt}/orders.json" for attempt in ("", ".2", ".3")]


@pytest.mark.slow
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
