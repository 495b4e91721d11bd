"""What assets have published last is read as Dagster reads it, without its objects."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, MetadataValue

from aggregation_pipeline.runs.stored_assets import stored_assets
from aggregation_pipeline_tests.support.runs import open_instance

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

KEYS = [AssetKey(["aggregation", name]) for name in ("orders", "\u7528\u6237", "wiped", "never")]
LABELS = ("window", "detail rows", "summary rows")


@pytest.fixture(scope="module")
def instance(postgres: "PostgresServer") -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.mark.parametrize("known", [True, False])
def test_the_last_materialization_of_each_asset_is_read_also_in_an_unknown_shape(
    instance: DagsterInstance, known: bool, monkeypatch: pytest.MonkeyPatch
):
    if not known:
        monkeypatch.setattr("aggregation_pipeline.runs.stored_metadata._PLAIN_METADATA", {})
    for number, key in ((1, KEYS[0]), (2, KEYS[0]), (3, KEYS[1]), (4, KEYS[2])):
        metadata: dict[str, Any] = {
            "window": f"w{number}",
            "detail rows": number,
            "more": MetadataValue.md("**x**"),
            "rows": 7,
        }
        instance.report_runless_asset_event(AssetMaterialization(key, metadata=metadata))
    instance.wipe_assets([KEYS[2]])
    found = stored_assets(instance, KEYS, LABELS)
    assert {key: asset.last and asset.last.metadata for key, asset in found.items()} == {
        KEYS[0]: {"window": "w2", "detail rows": 2},
        KEYS[1]: {"window": "w3", "detail rows": 3},
    }
    for record in instance.get_asset_records(KEYS):
        event, asset = record.asset_entry.last_materialization, found[record.asset_entry.asset_key]
        assert event is not None
        assert asset.last is not None
        assert asset.last.at.timestamp() == pytest.approx(event.timestamp)
        assert asset.last.run_id == event.run_id
        assert asset.last_run_id == record.asset_entry.last_run_id
    assert stored_assets(instance, [], LABELS) == {}
