"""No secret and no presigned link is left in events and logs, unless links were asked for."""

import re
import time
from collections.abc import Callable

import requests
from dagster import DagsterInstance, EventLogEntry, ExecuteInProcessResult
from dagster._serdes import serialize_value

from aggregation_pipeline.assets.keys import export_key
from aggregation_pipeline_tests.assets.oss.results import PRESIGNED, metadata_of
from aggregation_pipeline_tests.support.oss_deployment import WINDOW
from aggregation_pipeline_tests.support.servers.oss.server import KEY_ID, SECRET, OssServer


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
    assert f"oss://shop-exports/daily/orders/{WINDOW}/orders.json" in written
    assert SECRET not in written
    assert KEY_ID not in written
    assert PRESIGNED.search(written) is None
    assert {request.signature for request in oss_server.requests} == {"v4"}


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
