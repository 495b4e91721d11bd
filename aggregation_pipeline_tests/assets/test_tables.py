"""Partitioned tables as Dagster runs them: many windows in one process, each with its own files and metadata."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from dagster import (
    AssetIn,
    AssetKey,
    AssetRecordsFilter,
    AssetSelection,
    DagsterEventType,
    Definitions,
    ExecuteInProcessResult,
    WeeklyPartitionsDefinition,
    asset,
    define_asset_job,
)

from aggregation_pipeline.assets.keys import export_key, manifest_key, table_key
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.local.run import run_backfill, run_tables
from aggregation_pipeline_tests.support.shop import DAYS, ORDERS, TODAY, Shop

BAD_DAY = "INSERT INTO orders VALUES (999, '4 apples', '2026-11-04 10:00:00')"
# On that day, and on no other, the server warns about a value, which fails the window.
WARY = ORDERS.replace("[{function: COUNT, alias: orders}]", "[{expr: SUM(status + 0 > 100), alias: odd}]")


def execute(
    shop: Shop, text: str = ORDERS, *, job: str = "aggregate_daily_partitions_at_0200", **options: Any
) -> ExecuteInProcessResult:
    return (
        shop.definitions(text)
        .resolve_job_def(job)
        .execute_in_process(instance=shop.instance, raise_on_error=False, **options)
    )


def told(result: ExecuteInProcessResult) -> str:
    """The words of the one step that failed."""
    (failure,) = [event for event in result.all_events if event.event_type == DagsterEventType.STEP_FAILURE]
    data = failure.step_failure_data.user_failure_data
    return str(data and data.description)


def span(first: str, last: str) -> dict[str, str]:
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def materialized(shop: Shop, key: AssetKey) -> dict[str | None, Mapping[str, Any]]:
    """Latest metadata by partition."""
    records = shop.instance.fetch_materializations(AssetRecordsFilter(key), limit=1000, ascending=True).records
    return {
        record.asset_materialization.partition: {
            name: value.value for name, value in record.asset_materialization.metadata.items()
        }
        for record in records
        if record.asset_materialization
    }


def test_a_run_over_ten_days_gives_each_its_files_and_its_metadata(shop):
    result = execute(shop, tags=span(DAYS[0], DAYS[-1]))
    assert result.success
    assert shop.windows() == DAYS
    described = materialized(shop, manifest_key("orders"))
    assert list(described) == DAYS
    assert {key: (one["aggregation/window"], one["aggregation/items"]) for key, one in described.items()} == {
        day: (day, 5) for day in DAYS
    }
    assert all(
        f"/orders/{day}/orders." in file["uri"] for day, one in described.items() for file in one["aggregation/files"]
    )
    assert [one["dagster/partition_row_count"] for one in materialized(shop, table_key("orders")).values()] == [3] * 10
    assert list(materialized(shop, export_key("orders", "csv"))) == DAYS


@pytest.mark.parametrize("tags", [{"dagster/partition": "2099-01-01"}, span("2026-11-08", "2027-01-01")])
def test_a_partition_that_is_still_to_come_is_refused_and_nothing_is_published(shop, tags: dict[str, str]):
    result = execute(shop, tags=tags)
    assert not result.success
    assert re.match(
        r"table 'orders' has no partition '20\d\d-\d\d-\d\d': its partitions go from 2026-11-01 to 20", told(result)
    )
    assert shop.windows() == []


def test_one_bad_day_does_not_lose_the_others(shop):
    shop.execute(BAD_DAY)
    shop.execute("UPDATE orders SET status = '1' WHERE id <> 999")
    result = execute(shop, WARY, tags=span(DAYS[0], DAYS[-1]))
    assert not result.success
    good = [day for day in DAYS if day != "2026-11-04"]
    assert shop.windows() == good
    for key in (table_key("orders"), export_key("orders", "json"), manifest_key("orders")):
        assert list(materialized(shop, key)) == good
    words = told(result)
    assert words.startswith("1 of its partitions failed: 2026-11-04\n2026-11-04: summary: the server warned")
    assert "apples" not in words
    # Nothing that a retry could mend, so there was none.
    assert not [event for event in result.all_events if event.event_type == DagsterEventType.STEP_UP_FOR_RETRY]


def test_only_csv_for_some_days_comes_from_the_stored_extracts_and_brings_the_manifest_along(shop):
    assert execute(shop, tags=span(DAYS[0], DAYS[-1])).success
    shop.execute("DROP TABLE orders")
    text = ORDERS.replace("[csv, json]", "[csv, json, parquet]")
    result = execute(shop, text, tags=span(DAYS[2], DAYS[4]), asset_selection=[export_key("orders", "parquet")])
    assert result.success
    for day in DAYS:
        manifest = shop.manifest(day)
        assert manifest is not None
        assert {file.format for file in manifest.files} == (
            {"csv", "json", "parquet"} if day in DAYS[2:5] else {"csv", "json"}
        )
    assert list(materialized(shop, export_key("orders", "parquet"))) == DAYS[2:5]
    assert [one["aggregation/files"][0]["format"] for one in materialized(shop, manifest_key("orders")).values()][
        2:5
    ] == ["parquet"] * 3


def test_a_table_that_is_materialized_alone_brings_its_formats_along(shop):
    """ "Materialize" on the page of the table selects the table and nothing else; its readers still want files."""
    result = execute(shop, partition_key=DAYS[0], asset_selection=[table_key("orders")])
    assert result.success
    manifest = shop.manifest(DAYS[0])
    assert manifest is not None
    assert {file.format for file in manifest.files} == {"csv", "json"}
    keys = [table_key("orders"), export_key("orders", "csv"), export_key("orders", "json"), manifest_key("orders")]
    for key in keys:
        assert list(materialized(shop, key)) == DAYS[:1]
    # What is made of something comes after it, or Dagster says that it is out of date.
    assert [event.asset_key for event in result.get_asset_materialization_events()] == keys
    # One format that was asked for with the table is the one that is made.
    assert execute(
        shop, partition_key=DAYS[1], asset_selection=[table_key("orders"), export_key("orders", "csv")]
    ).success
    assert [file.format for file in (shop.manifest(DAYS[1]) or manifest).files if file.format != "csv"] == []
    # The others that are there stay with it, as long as the data is the same.
    assert execute(
        shop, partition_key=DAYS[0], asset_selection=[table_key("orders"), export_key("orders", "csv")]
    ).success
    assert shop.manifest(DAYS[0]) == manifest
    shop.execute("INSERT INTO orders VALUES (999, 'new', '2026-11-01 20:00:00')")
    assert execute(
        shop, partition_key=DAYS[0], asset_selection=[table_key("orders"), export_key("orders", "csv")]
    ).success
    assert {file.format for file in (shop.manifest(DAYS[0]) or manifest).files} == {"csv"}


def test_an_unchanged_day_is_not_sent_again(shop):
    assert execute(shop, partition_key=DAYS[0]).success
    first = shop.manifest(DAYS[0])
    stamp = (shop.folder / f"exports/orders/{DAYS[0]}/orders.json").stat().st_mtime_ns
    assert execute(shop, partition_key=DAYS[0]).success
    assert shop.manifest(DAYS[0]) == first
    assert (shop.folder / f"exports/orders/{DAYS[0]}/orders.json").stat().st_mtime_ns == stamp


def test_a_job_launched_without_the_partition_that_it_needs_says_so_at_once(shop):
    result = execute(shop)
    assert not result.success
    words = told(result)
    assert words.startswith(
        "the table is partitioned by day of created_at, and this run was launched without a partition. Choose one"
    )


def test_an_hours_colon_is_encoded_in_its_files(shop):
    hourly = ORDERS.replace("every: day", "every: hour")
    assert execute(shop, hourly, job="aggregate_hourly_partitions_at_0200", partition_key="2026-11-01-10:00").success
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
    told = result.to_dict()
    assert [batch["total_items"] for batch in told["batches"]] == [5, 2]
    assert told["total_items"] == 7
    assert told["batch_job_id"] == told["batches"][0]["batch_job_id"]
    assert {name: table["status"] for name, table in told["tables"].items()} == {
        "orders": "completed",
        "status": "completed",
    }
    assert sorted(file["format"] for file in told["files"]) == ["csv", "csv", "json", "json"]


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
    assert execute(shop, tags=span(DAYS[0], DAYS[-1])).success
    merged = Definitions.merge(
        shop.definitions(),
        Definitions(assets=[report], jobs=[define_asset_job("reports", AssetSelection.assets("report"))]),
    )
    result = merged.resolve_job_def("reports").execute_in_process(instance=shop.instance, partition_key="2026-11-02")
    assert result.success
    assert seen == {"rows": 21}
