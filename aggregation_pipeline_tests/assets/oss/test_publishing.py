"""The whole way to OSS: from the database through Dagster's run to the bucket."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster import ExecuteInProcessResult

from aggregation_pipeline.assets.keys import export_key
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.published import fetch_window, load_manifest
from aggregation_pipeline_tests.assets.oss.results import metadata_of
from aggregation_pipeline_tests.support.oss_deployment import WINDOW
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.oss.server import OssServer


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
