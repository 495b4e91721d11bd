"""Late rows of a table beside components of the same project, which have a Dagster storage in common."""

import pytest
from dagster import (
    AssetKey,
    AssetSpec,
    DagsterRunStatus,
    DailyPartitionsDefinition,
    Definitions,
    define_asset_job,
    multi_asset,
)

from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG, REFRESH_TAG
from aggregation_pipeline_tests.automation.refreshed_shop import DAYS, Sensor, late, published_sensor
from aggregation_pipeline_tests.support.servers.chosen import once
from aggregation_pipeline_tests.support.shop import Shop


@pytest.fixture
def sensor(shop: Shop) -> Sensor:
    return published_sensor(shop)


@once
def test_runs_of_another_component_with_a_table_of_the_same_name_do_not_hold_it_up(sensor: Sensor, shop: Shop):
    shop.execute(late(DAYS[3]))

    key = AssetKey(["night", "aggregation", "orders"])

    @multi_asset(
        name="night__aggregate_orders", specs=[AssetSpec(key, partitions_def=DailyPartitionsDefinition(DAYS[0]))]
    )
    def theirs() -> None: ...

    job = Definitions(assets=[theirs], jobs=[define_asset_job("theirs", [theirs])]).resolve_job_def("theirs")
    for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.STARTED):
        shop.instance.create_run_for_job(
            job,
            status=status,
            tags={PARTITION_NAME_TAG: DAYS[3], REFRESH_TAG: "orders"},
            asset_selection=frozenset({key}),
        )
    assert sensor.windows() == [DAYS[3]]
