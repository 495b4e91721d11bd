"""A source table's page shows how fresh it is: after each run that read it, and when somebody asks."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterEventType

from aggregation_pipeline.assets.display import readable_size
from aggregation_pipeline.assets.keys import source_key, table_key
from aggregation_pipeline.assets.source_specs import source_metadata
from aggregation_pipeline.source.table_state import TableState
from aggregation_pipeline_tests.support.shop import DAYS, ORDERS, Shop, execute_job, partition_range

WHOLE = (
    "tables: {orders: {select_fields: [id, status], formats: [csv]}, paid: {table: orders, where: status = 'paid',"
    " select_fields: [id]}}"
)


def observed(shop: Shop, key: AssetKey) -> list[Mapping[str, Any]]:
    records = shop.instance.fetch_observations(AssetRecordsFilter(key), limit=100, ascending=True).records
    found = [record.asset_observation for record in records]
    return [{name: value.value for name, value in one.metadata.items()} for one in found if one is not None]


def observe(shop: Shop, text: str, *keys: AssetKey) -> Any:
    job = shop.definitions(text).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=shop.instance, asset_selection=list(keys), raise_on_error=False)


def test_a_run_tells_how_the_table_stands_that_it_has_read(shop):
    assert execute_job(shop, tags=partition_range(DAYS[0], DAYS[1])).success
    (metadata,) = observed(shop, source_key(shop.database, "orders"))
    assert metadata["newest created_at"] == "2026-11-10 12:00:00"
    # Nothing tells how many rows the whole table has: some days were read.
    assert "dagster/row_count" not in metadata
    assert metadata["dagster/last_updated_timestamp"] <= datetime.now(UTC).timestamp()


def test_a_run_that_has_read_all_rows_says_how_many_there_are(shop):
    assert execute_job(shop, WHOLE, job="aggregate").success
    counts = [metadata.get("dagster/row_count") for metadata in observed(shop, source_key(shop.database, "orders"))]
    assert sorted(counts, key=str) == [30, None]


def test_a_format_alone_asks_the_database_nothing(shop):
    assert execute_job(shop, partition_key=DAYS[0]).success
    shop.execute("DROP TABLE orders")
    assert execute_job(shop, partition_key=DAYS[0], asset_selection=[AssetKey(["export", "orders_csv"])]).success
    assert len(observed(shop, source_key(shop.database, "orders"))) == 1


def test_a_table_that_cannot_be_asked_does_not_fail_the_run_that_has_read_it(shop, monkeypatch):
    def broken(*_: object) -> TableState:
        raise ZeroDivisionError

    monkeypatch.setattr("aggregation_pipeline.source.mysql.table_state.read_table_state", broken)
    assert execute_job(shop, partition_key=DAYS[0]).success
    assert observed(shop, source_key(shop.database, "orders")) == []


def test_observe_asks_each_table_and_one_that_is_gone_does_not_hide_the_others(shop):
    text = ORDERS.rstrip() + "\n      gone: {}\n      again: {table: orders}\n"
    keys = source_key(shop.database, "orders"), source_key(shop.database, "gone")
    result = observe(shop, text, *keys)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.event_type == DagsterEventType.STEP_FAILURE]
    assert failure.step_failure_data.user_failure_data.description.startswith(
        f"{shop.database}.gone: there is no table gone, or DB_USER"
    )
    (metadata,) = observed(shop, keys[0])
    assert metadata["newest created_at"] == "2026-11-10 12:00:00"
    assert metadata["size"].endswith(" KiB")
    assert result.get_asset_materialization_events() == []


def test_a_column_that_masks_hide_is_not_shown_by_its_newest_value(shop):
    masked = (
        ORDERS.rstrip()
        + "\n        mask: {created_at: keep}\n      other: {table: orders, select_fields: [id, created_at], mask:"
        " {created_at: drop}}\n"
    )
    assert observe(shop, masked, source_key(shop.database, "orders")).success
    (metadata,) = observed(shop, source_key(shop.database, "orders"))
    assert not [name for name in metadata if "created_at" in name]


def test_what_was_observed_makes_no_table_look_out_of_date(shop):
    """The shop's rows change all day: a mark on every table at every hour would be none."""
    assert execute_job(shop, WHOLE, job="aggregate").success
    assert observe(shop, WHOLE, source_key(shop.database, "orders")).success
    shop.execute("INSERT INTO orders VALUES (999, 'new', '2026-11-11 08:00:00')")
    assert observe(shop, WHOLE, source_key(shop.database, "orders")).success
    records = [
        record.asset_observation
        for record in shop.instance.fetch_observations(source_key(shop.database, "orders"), limit=9).records
    ]
    assert {tag for record in records for tag in record.tags if "data_version" in tag} == set()
    assert shop.instance.get_latest_materialization_event(table_key("orders")) is not None


def test_rows_dated_ahead_are_told_and_are_no_update():
    now = datetime.now(UTC)
    ahead = source_metadata(TableState(newest={"at": "2999-01-01"}, newest_at=now + timedelta(days=1)))
    assert list(ahead) == ["newest at"]
    both = source_metadata(TableState(changed=now - timedelta(hours=1), newest_at=now - timedelta(hours=2)))
    assert both["dagster/last_updated_timestamp"].value == pytest.approx((now - timedelta(hours=1)).timestamp())
    assert source_metadata(TableState()) == {}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1_258_291, "1.2 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**6, "5120.0 PiB"),
    ],
)
def test_sizes_are_for_people(number, words):
    assert readable_size(number) == words
