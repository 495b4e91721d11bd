"""`OSSIOManager` in a Dagster project that has nothing else of ours: real runs, on the OSS test server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dagster import (
    AssetIn,
    AssetSpec,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    asset,
    job,
    op,
)

from aggregation_pipeline import OSSIOManager
from aggregation_pipeline.errors import SettingsError, StorageBusyError, StorageDeniedError, StorageError
from aggregation_pipeline.runs.tags import TABLE_KEY
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline_tests.support.assets import metadata_of, run, stored
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.faults import Fault
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, SECRET

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`:dagster.BetaWarning")

DAYS = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
RANGE = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-02"}


def test_assets_of_every_kind_go_through_a_bucket(
    instance: DagsterInstance, bucket: OSSIOManager, oss_server: OssServer, tmp_path: Path
):
    @asset
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"n": [1, 2]}, index=["a", "b"])

    @asset
    def unannotated(frame):
        assert list(frame.index) == ["a", "b"]
        return pl.LazyFrame({"m": [1]})

    @asset
    def content(unannotated: pa.Table, frame: pl.DataFrame) -> bytes:
        assert (unannotated.to_pydict(), frame.to_dict(as_series=False)) == ({"m": [1]}, {"n": [1, 2]})
        return b"PAR1 is no Parquet"

    @asset
    def text(content: bytes) -> str:
        assert content == b"PAR1 is no Parquet"
        return "张三\r\n"

    @asset
    def nothing(text):
        assert text == "张三\r\n"

    @asset
    def last(nothing, frame: pa.RecordBatchReader, content: bytes | None) -> None:
        assert nothing is None
        assert content
        assert frame.read_all().to_pydict() == {"n": [1, 2]}

    result = run(instance, bucket, frame, unannotated, content, text, nothing, last)
    assert sorted(oss_server.bucket.objects) == [
        f"reports/{name}"
        for name in ("content.bin", "frame.parquet", "nothing.none", "text.txt", "unannotated.parquet")
    ]
    metadata = metadata_of(result, "unannotated")
    assert (metadata["key"], metadata["dagster/uri"]) == (
        "reports/unannotated.parquet",
        f"oss://{BUCKET}/reports/unannotated.parquet",
    )
    assert (metadata["dagster/row_count"], metadata["dagster/column_schema"].columns[0].name) == (1, "m")
    assert metadata["crc64"].isdigit()
    assert metadata["bytes"] > 0
    assert not list((tmp_path / "temp").iterdir())
    events = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert SECRET not in events
    assert SECRET not in repr(bucket)


def test_what_ops_return_belongs_to_their_run(instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path):
    @op
    def first():
        return pl.DataFrame({"a": [1]})

    @op
    def second(rows: pa.Table) -> None:
        assert rows.num_rows == 1

    @job(resource_defs={"io_manager": folder.get_resource_definition()})
    def both():
        second(first())

    result = both.execute_in_process(instance=instance)
    assert stored(tmp_path) == [f"{result.run_id}.run/first/result.parquet"]


def test_what_cannot_be_stored_or_loaded_is_said_with_the_asset_and_the_remedy(
    instance: DagsterInstance, folder: OSSIOManager
):
    @asset
    def listed() -> Any:
        return [1]

    @asset
    def content() -> bytes:
        return b"x"

    @asset
    def rows(content: pd.DataFrame): ...

    @asset
    def number(content: int): ...

    @asset
    def never(listed): ...

    assets = [listed, content, rows, number, never]
    run(instance, folder, content)
    for selected, words in {
        listed: r"asset listed returned what cannot be stored: a builtins.list is not stored: a pandas DataFrame",
        rows: r"asset content holds bytes \(file://.*content.bin\), and pandas.DataFrame is asked for",
        number: r"input 'content' is annotated as int; annotate it as .*pyarrow.Table, .*polars.DataFrame",
        never: r"Nothing is stored of asset listed, which input 'listed' needs. Materialize it first",
    }.items():
        with pytest.raises(StorageError, match=words):
            run(instance, folder, *assets, selection=[selected])


class OwnError(Exception):
    pass


def test_what_the_users_own_code_raises_is_shown_as_it_is(
    instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path
):
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise failures.pop() from KeyError("cause")

    @asset
    def streamed() -> Any:
        return pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())

    @asset
    def unplanned() -> Any:
        return pl.LazyFrame({"a": ["x"]}).select("nowhere")

    @asset
    def uncomputed() -> Any:
        return pl.LazyFrame({"a": ["x"]}).select(pl.col("a").cast(pl.Int8))

    failures: list[Exception] = [OwnError("my words"), pa.ArrowInvalid("my words"), StorageError("my words")]
    for failure in list(reversed(failures)):
        with pytest.raises(type(failure), match="my words") as error:
            run(instance, folder, streamed)
        assert isinstance(error.value.__cause__, KeyError)
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="nowhere"):
        run(instance, folder, unplanned)
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion from `str`"):
        run(instance, folder, uncomputed)
    assert stored(tmp_path) == []


def test_a_value_of_another_kind_takes_the_place_of_the_former(
    instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    values: list[object] = [pd.DataFrame({"a": [1]}), b"bytes", "text"]

    @asset
    def changing() -> Any:
        return values.pop(0)

    # However soon one follows the other.
    for names in (["changing.parquet"], ["changing.bin"]):
        run(instance, folder, changing)
        assert stored(tmp_path) == names
    put = FolderStore.put

    def beside_another(store: FolderStore, key: str, *arguments: Any, **more: Any) -> StoredObject:
        put(store, "changing.bin", b"of another writer", media_type="application/octet-stream")
        return put(store, key, *arguments, **more)

    monkeypatch.setattr(FolderStore, "put", beside_another)
    run(instance, folder, changing)
    assert stored(tmp_path) == ["changing.bin", "changing.txt"], "nothing of a writer at the same time is deleted"


def test_an_upload_that_breaks_leaves_what_was_there(
    instance: DagsterInstance, bucket: OSSIOManager, oss_server: OssServer, monkeypatch: pytest.MonkeyPatch
):
    values = [b"old", b"new" * 100]

    @asset
    def content() -> bytes:
        return values.pop(0)

    run(instance, bucket, content)
    oss_server.faults.order(Fault("cut_up", "PUT", "content.bin", at=50))
    with pytest.raises(StorageBusyError, match=r"Cannot store 'reports/content.bin' in OSS bucket"):
        run(instance, bucket, content)
    assert oss_server.bucket.objects["reports/content.bin"].data == b"old"
    monkeypatch.setenv("MY_SECRET", "another")
    values.append(b"")
    with pytest.raises(StorageDeniedError, match="The secret does not belong to the access key"):
        run(instance, bucket, content)


def test_a_table_of_another_code_location_says_that_it_is_none_yet(instance: DagsterInstance, folder: OSSIOManager):
    orders = AssetSpec(["aggregation", "orders"], metadata={TABLE_KEY: "orders"})

    @asset(ins={"orders": AssetIn(orders.key)})
    def report(orders: pd.DataFrame): ...

    with pytest.raises(StorageError, match="table 'orders' has no published window yet"):
        run(instance, folder, orders, report)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "OSSIOManager needs either a bucket or a folder: neither is given"),
        ({"bucket": "b", "folder": "f"}, "both are given"),
        (
            {"bucket": "b", "access_key_secret": "geheim"},
            r'got the text of access_key_secret, .*access_key_secret=EnvVar\("OSS_ACCESS_KEY_SECRET"\)',
        ),
        (
            {"bucket": "b", "endpoint": "https://key:geheim@oss"},
            "OSSIOManager: endpoint holds an @: it takes no user",
        ),
        ({"bucket": "b", "link_endpoint": "key:geheim@oss"}, "OSSIOManager: link_endpoint holds an @"),
        ({"bucket": "oss://key:geheim@b"}, "OSSIOManager: bucket holds an @"),
        ({"folder": "a", "prefx": "geheim"}, "OSSIOManager: prefx is none of its fields. Was prefix meant"),
        ({"folder": ""}, "OSSIOManager: folder is empty"),
    ],
)
def test_wrong_fields_are_refused_when_the_project_loads(fields: dict[str, Any], words: str):
    with pytest.raises(SettingsError, match=words) as error:
        Definitions(resources={"io_manager": OSSIOManager(**fields)}).get_repository_def()
    assert "geheim" not in str(error.value)
