"""Partitioned tables as Dagster runs them: many windows in one process, each with its own files and metadata."""

import re
from typing import Any

import pandas as pd
import pytest
from dagster import (
    AssetIn,
    AssetSelection,
    DagsterEventType,
    Definitions,
    WeeklyPartitionsDefinition,
    asset,
    define_asset_job,
)

from aggregation_pipeline.assets.keys import export_key, manifest_key, table_key
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.local.run import run_backfill, run_tables
from aggregation_pipeline_tests.support.shop import (
    DAYS,
    ORDERS,
    TODAY,
    execute_job,
    failure_message,
    latest_metadata,
    partition_range,
)

BAD_DAY = "INSERT INTO orders VALUES (999, '4 apples', '2026-11-04 10:00:00')"
# On that day, and on no other, the server warns about a value, which fails the window.
WARY = ORDERS.replace("[{function: COUNT, alias: orders}]", "[{expr: SUM(status + 0 > 100), alias: odd}]")


def test_a_run_over_ten_days_gives_each_its_files_and_its_metadata(shop):
    result = execute_job(shop, tags=partition_range(DAYS[0], DAYS[-1]))
    assert result.success
    assert shop.windows() == DAYS
    described = latest_metadata(shop, manifest_key("orders"))
    assert list(described) == DAYS
    assert {key: (one["aggregation/window"], one["aggregation/items"]) for key, one in described.items()} == {
        day: (day, 5) for day in DAYS
    }
    assert all(
        f"/orders/{day}/orders." in file["uri"] for day, one in described.items() for file in one["aggregation/files"]
    )
    assert [one["dagster/partition_row_count"] for one in latest_metadata(shop, table_key("orders")).values()] == [
        3
    ] * 10
    assert list(latest_metadata(shop, export_key("orders", "csv"))) == DAYS


@pytest.mark.parametrize("tags", [{"dagster/partition": "2099-01-01"}, partition_range("2026-11-08", "2027-01-01")])
def test_a_partition_that_is_still_to_come_is_refused_and_nothing_is_published(shop, tags: dict[str, str]):
    result = execute_job(shop, tags=tags)
    assert not result.success
    assert re.match(
        r"table 'orders' has no partition '20\d\d-\d\d-\d\d': its partitions go from 2026-11-01 to 20",
        failure_message(result),
    )
    assert shop.windows() == []


def test_one_bad_day_does_not_lose_the_others(shop):
    shop.execute(BAD_DAY)
    shop.execute("UPDATE orders SET status = '1' WHERE id <> 999")
    result = execute_job(shop, WARY, tags=partition_range(DAYS[0], DAYS[-1]))
    assert not result.success
    good = [day for day in DAYS if day != "2026-11-04"]
    assert shop.windows() == good
    for key in (table_key("orders"), export_key("orders", "json"), manifest_key("orders")):
        assert list(latest_metadata(shop, key)) == good
    words = failure_message(result)
    assert words.startswith("1 of its partitions failed: 2026-11-04\n2026-11-04: summary: the server warned")
    assert "apples" not in words
    # Nothing that a retry could mend, so there was none.
    assert not [event for event in result.all_events if event.event_type == DagsterEventType.STEP_UP_FOR_RETRY]


def test_only_csv_for_some_days_comes_from_the_stored_extracts_and_brings_the_manifest_along(shop):
    assert execute_job(shop, tags=partition_range(DAYS[0], DAYS[-1])).success
    shop.execute("DROP TABLE orders")
    text = ORDERS.replace("[csv, json]", "[csv, json, parquet]")
    result = execute_job(
        shop, text, tags=partition_range(DAYS[2], DAYS[4]), asset_selection=[export_key("orders", "parquet")]
    )
    assert result.success
    for day in DAYS:
        manifest = shop.manifest(day)
        assert manifest is not None
        assert {file.format for file in manifest.files} == (
            {"csv", "json", "parquet"} if day in DAYS[2:5] else {"csv", "json"}
        )
    assert list(latest_metadata(shop, export_key("orders", "parquet"))) == DAYS[2:5]
    assert [one["aggregation/files"][0]["format"] for one in latest_metadata(shop, manifest_key("orders")).values()][
        2:5
    ] == ["parquet"] * 3


def test_a_table_that_is_materialized_alone_brings_its_formats_along(shop):
    """ "Materialize" on the page of the table selects the table and nothing else; its readers still want files."""
    result = execute_job(shop, partition_key=DAYS[0], asset_selection=[table_key("orders")])
    assert result.success
    manifest = shop.manifest(DAYS[0])
    assert manifest is not None
    assert {file.format for file in manifest.files} == {"csv", "json"}
    keys = [table_key("orders"), export_key("orders", "csv"), export_key("orders", "json"), manifest_key("orders")]
    for key in keys:
        assert list(latest_metadata(shop, key)) == DAYS[:1]
    # What is made of something comes after it, or Dagster says that it is out of date.
    assert [event.asset_key for event in result.get_asset_materialization_events()] == keys
    # One format that was asked for with the table is the one that is made.
    assert execute_job(
        shop, partition_key=DAYS[1], asset_selection=[table_key("orders"), export_key("orders", "csv")]
    ).success
    assert [file.format for file in (shop.manifest(DAYS[1]) or manifest).files if file.format != "csv"] == []
    # The others that are there stay with it, as long as the data is the same.
    assert execute_job(
        shop, partition_key=DAYS[0], asset_selection=[table_key("orders"), export_key("orders", "csv")]
    ).success
    assert shop.manifest(DAYS[0]) == manifest
    shop.execute("INSERT INTO orders VALUES (999, 'new', '2026-11-01 20:00:00')")
    assert execute_job(
        shop, partition_key=DAYS[0], asset_selection=[table_key("orders"), export_key("orders", "csv")]
    ).success
    assert {file.format for file in (shop.manifest(DAYS[0]) or manifest).files} == {"csv"}


def test_an_unchanged_day_is_not_sent_again(shop):
    assert execute_job(shop, partition_key=DAYS[0]).success
    first = shop.manifest(DAYS[0])
    stamp = (shop.folder / f"exports/orders/{DAYS[0]}/orders.json").stat().st_mtime_ns
    assert execute_job(shop, partition_key=DAYS[0]).success
    assert shop.manifest(DAYS[0]) == first
    assert (shop.folder / f"exports/orders/{DAYS[0]}/orders.json").stat().st_mtime_ns == stamp


def test_a_job_launched_without_the_partition_that_it_needs_says_so_at_once(shop):
    result = execute_job(shop)
    assert not result.success
    words = failure_message(result)
    assert words.startswith(
        "the table is partitioned by day of created_at, and this run was launched without a partition. Choose one"
    )


def test_an_hours_colon_is_encoded_in_its_files(shop):
    hourly = ORDERS.replace("every: day", "every: hour")
    assert execute_job(
        shop, hourly, job="aggregate_hourly_partitions_at_0200", partition_key="2026-11-01-10:00"
    ).success
    assert (shop.folder / "exports/orders/2026-11-01-10%3A00/orders.detail.csv").is_file()
    manifest = shop.manifest("2026-11-01-10:00")
    assert manifest is not None
    assert manifest.rows == 2


def test_run_takes_the_newest_complete_partition_and_tables_taken_whole_in_runs_of_their_own(shop):
    project = shop.project(ORDERS.rstrip() + "\n      status: {table: orders, group_by: [status], formats: [json]}\n")
    result = run_tables(project, build_definitions(project), shop.instance, tables=None, formats=None, moment=TODAY)
    assert result.status == "completed"
    assert shop.windows() == ["2026-11-10"]
    assert shop.windows("status") == ["2026-11-11"]
    printed = result.to_dict()
    assert [batch["total_items"] for batch in printed["batches"]] == [5, 2]
    assert printed["total_items"] == 7
    assert printed["batch_job_id"] == printed["batches"][0]["batch_job_id"]
    assert {name: table["status"] for name, table in printed["tables"].items()} == {
        "orders": "completed",
        "status": "completed",
    }
    assert sorted(file["format"] for file in printed["files"]) == ["csv", "csv", "json", "json"]


def test_the_metadata_of_an_asset_is_stored_once_with_its_materialization(shop):
    project = shop.project("tables: {status: {table: orders, group_by: [status], formats: [json]}}\n")
    result = run_tables(project, build_definitions(project), shop.instance, tables=None, formats=None)
    events = [entry.dagster_event for entry in shop.instance.all_logs(result.batch_job_id) if entry.dagster_event]
    outputs = [event for event in events if event.event_type == DagsterEventType.STEP_OUTPUT]
    assert len(outputs) == 3 + 5, "three assets, five checks"
    assert [event.step_output_data.metadata for event in outputs] == [{}] * 8
    for key in (table_key("status"), export_key("status", "json"), manifest_key("status")):
        assert latest_metadata(shop, key)[None]["dagster/row_count"] == 2


def test_a_backfill_shares_its_partitions_out_among_runs(shop):
    project = shop.project(ORDERS.rstrip() + "\n        backfill: {partitions_per_run: 4}\n")
    result = run_backfill(
        project, build_definitions(project), shop.instance, table="orders", first=DAYS[0], last=DAYS[8]
    )
    assert result.status == "completed"
    assert [batch.total_items for batch in result.batches] == [20, 20, 5]
    assert shop.windows() == DAYS[:9]
    with pytest.raises(ConfigError, match="no table named 'order'"):
        run_backfill(project, build_definitions(project), shop.instance, table="order", first=DAYS[0], last=DAYS[8])


def test_an_asset_of_ones_own_gets_the_partitions_that_it_depends_on(shop):
    seen: dict[str, Any] = {}

    def count(orders: pd.DataFrame) -> None:
        seen["rows"] = len(orders)

    report = asset(
        name="report",
        partitions_def=WeeklyPartitionsDefinition("2026-11-02", day_offset=1, timezone="UTC"),
        ins={"orders": AssetIn(table_key("orders"), metadata={"dataset": "detail"})},
    )(count)
    assert execute_job(shop, tags=partition_range(DAYS[0], DAYS[-1])).success
    merged = Definitions.merge(
        shop.definitions(),
        Definitions(assets=[report], jobs=[define_asset_job("reports", AssetSelection.assets("report"))]),
    )
    result = merged.resolve_job_def("reports").execute_in_process(instance=shop.instance, partition_key="2026-11-02")
    assert result.success
    assert seen == {"rows": 21}
