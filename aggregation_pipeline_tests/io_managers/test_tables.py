"""Assets of one's own beside the tables: what they return is published, and tables are handed to them exactly."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from dagster import AssetIn, AssetKey, AssetSpec, DagsterInstance, asset, materialize

from aggregation_pipeline.assets.keys import manifest_key, table_key
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.io_managers.oss import ValuesIOManager
from aggregation_pipeline.io_managers.tables import PublishedTables
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.tags import TABLE_KEY
from aggregation_pipeline.source.parquet_sink import ParquetSink
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.publish import publish_window

TABLE = AssetSpec(table_key("orders"), metadata={TABLE_KEY: "orders"})
MANIFEST = AssetSpec(manifest_key("orders"), metadata={TABLE_KEY: "orders"})
ROWS = pa.table(
    {"id": pa.array([1, None], pa.int64()), "price": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2))}
)


@pytest.fixture
def manager(tmp_path: Path) -> ValuesIOManager:
    store = FolderStore(tmp_path / "exports")
    path = tmp_path / "detail.parquet"
    with ParquetSink(path, ROWS.schema) as sink:
        for batch in ROWS.to_batches():
            sink.write(batch)
    detail = Dataset("detail", path, 2, ROWS.schema, truncated=False, sql="SELECT 1", order="none")
    publish_window(store, "shop", Extract("orders", "2026-11-20", (detail,), "snapshot"), [], run_id="run-1")
    return ValuesIOManager(
        store,
        "shop/_assets",
        tmp_path / "temp",
        PublishedTables(Publisher(store, "shop", tmp_path / "temp", locks_url="")),
    )


def run(manager: ValuesIOManager, *assets: Any, raise_on_error: bool = True) -> Any:
    with DagsterInstance.ephemeral() as instance:
        return materialize(
            [TABLE, MANIFEST, *assets],
            instance=instance,
            resources={"io_manager": manager},
            raise_on_error=raise_on_error,
        )


def test_a_table_arrives_as_a_dataframe_with_its_exact_types_and_the_result_is_published(
    manager: ValuesIOManager, tmp_path: Path
):
    @asset(ins={"orders": AssetIn(key=TABLE.key)})
    def priced(orders: pd.DataFrame) -> pd.DataFrame:
        assert orders["price"].tolist() == [Decimal("1.10"), pd.NA]
        assert str(orders["id"].dtype) == "int64[pyarrow]"
        return orders[orders["id"].notna()]

    @asset
    def counted(priced: pa.Table) -> None:
        assert priced.to_pylist() == [{"id": 1, "price": Decimal("1.10")}]

    result = run(manager, priced, counted)
    (event,) = [
        event for event in result.all_events if event.is_step_materialization and event.asset_key == AssetKey("priced")
    ]
    metadata = event.materialization.metadata
    assert metadata["dagster/row_count"].value == 1
    assert metadata["dagster/uri"].value == (tmp_path / "exports/shop/_assets/priced.parquet").as_uri()
    assert not list((tmp_path / "temp").iterdir())


def test_a_manifest_and_a_named_dataset_can_be_asked_for(manager: ValuesIOManager):
    @asset(ins={"manifest": AssetIn(key=MANIFEST.key), "rows": AssetIn(key=TABLE.key, metadata={"dataset": "detail"})})
    def looked_at(manifest: Manifest, rows: pa.Table) -> None:
        assert (manifest.window, manifest.rows, rows.num_rows) == ("2026-11-20", 2, 2)

    assert run(manager, looked_at).success


def test_what_cannot_be_loaded_is_said_with_the_remedy(manager: ValuesIOManager):
    @asset(ins={"orders": AssetIn(key=TABLE.key, metadata={"dataset": "summary"})})
    def missing(orders: pa.Table) -> None: ...

    with pytest.raises(StorageError, match=r"'orders' has no dataset 'summary'; it has detail"):
        run(manager, missing)

    @asset(ins={"orders": AssetIn(key=TABLE.key)})
    def annotated(orders: int) -> None: ...

    with pytest.raises(StorageError, match=r"annotate it as pandas.DataFrame, pyarrow.Table"):
        run(manager, annotated)
