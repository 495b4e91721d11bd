"""Where values of assets and of their partitions lie, and what is loaded of several."""

import re
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from dagster import (
    AssetIn,
    AssetOut,
    BackfillPolicy,
    DagsterInstance,
    DailyPartitionsDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
    StaticPartitionsDefinition,
    asset,
    multi_asset,
)

from aggregation_pipeline import OSSIOManager
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.io_managers.value_keys import asset_base, output_base
from aggregation_pipeline_tests.support.assets import metadata_of, run, stored

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`:dagster.BetaWarning")

DAYS = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
RANGE = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-02"}


def test_each_partition_is_an_object_and_several_are_loaded_by_their_keys(
    instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path
):
    @asset(partitions_def=DAYS)
    def day(context) -> pd.DataFrame:
        return pd.DataFrame({"day": [context.partition_key]})

    @asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run())
    def copies(day: dict[str, pd.DataFrame]):
        return day

    @asset(ins={"copies": AssetIn(metadata={"allow_missing_partitions": True})})
    def total(copies: dict[str, pl.DataFrame]) -> str:
        return ",".join(copies)

    @asset
    def needs_all(copies): ...

    @asset(ins={"day": AssetIn(metadata={"allow_missing_partitions": True})})
    def one_frame(day: pd.DataFrame): ...

    assets = [day, copies, total, needs_all, one_frame]
    for key in ("2026-01-01", "2026-01-02"):
        result = run(instance, folder, *assets, selection=[day], partition_key=key)
    assert metadata_of(result, "day")["dagster/partition_row_count"] == 1
    run(instance, folder, *assets, selection=[copies], tags=RANGE)
    run(instance, folder, *assets, selection=[copies], partition_key="2026-01-01")
    result = run(instance, folder, *assets, selection=[total])
    assert result.output_for_node("total") == "2026-01-01,2026-01-02"
    names = [f"{name}.partitions/2026-01-0{number}.parquet" for name in ("copies", "day") for number in (1, 2)]
    assert stored(tmp_path) == [*names, "total.txt"]
    with pytest.raises(StorageError, match="Nothing is stored for 2026-01-03 of asset copies, which input 'copies'"):
        run(instance, folder, *assets, selection=[needs_all])
    with pytest.raises(StorageError, match=r"input 'day' gets 2 partitions.*dict\[str, pandas.DataFrame\]"):
        run(instance, folder, *assets, selection=[one_frame])


def test_a_run_over_several_partitions_returns_a_value_for_each(instance: DagsterInstance, folder: OSSIOManager):
    @asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run())
    def together():
        return {"2026-01-01": b""}

    with pytest.raises(
        StorageError, match=r"for 2 partitions, .*\(2026-01-01, 2026-01-02\); a dict with the keys 2026"
    ):
        run(instance, folder, together, tags=RANGE)


def test_a_value_that_is_refused_keeps_those_of_the_other_partitions_from_being_stored(
    instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path
):
    @asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run())
    def together():
        return {"2026-01-01": b"fine", "2026-01-02": {1, 2}}

    with pytest.raises(StorageError, match=r"asset together, partition 2026-01-02, returned what cannot be stored"):
        run(instance, folder, together, tags=RANGE)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "together" in str(path)]


def test_keys_of_any_letters_lie_below_the_prefix_and_apart(
    instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path
):
    @multi_asset(
        outs={"plain": AssetOut(key=["a", "b"]), "other": AssetOut(key=["深/度", "..", "x y" * 200, "%2F"])},
    )
    def several():
        return "one", "two"

    @asset(
        partitions_def=MultiPartitionsDefinition(
            {"shop": StaticPartitionsDefinition(["../up", "a.b"]), "day": DAYS},
        )
    )
    def a() -> str:
        return "three"

    key = MultiPartitionKey({"shop": "../up", "day": "2026-01-01"})
    run(instance, folder, several)
    run(instance, folder, a, partition_key=key)
    first, second, third = stored(tmp_path)
    assert (first, second) == ("a.partitions/2026-01-01|%2E%2E%2Fup.txt", "a/b.txt")
    assert re.fullmatch(r"深%2F度/%2E%2E/x%20yx%20y.*~[0-9a-f]{64}/%252F\.txt", third)
    bases = [
        asset_base("", ["a", "b"]),
        asset_base("", ["a"], "b"),
        asset_base("", ["a.partitions", "b"]),
        asset_base("", ["a", "partitions", "b"]),
        asset_base("", ["a/b"]),
        asset_base("", ["a%2Fb"]),
        asset_base("", ["b.run", "s", "r"]),
        output_base("", ["b", "s", "r"]),
        *(asset_base("", ["x" * length]) for length in (180, 181, 182)),
        *(asset_base("p", ["y" * 150] * length) for length in (6, 7, 8)),
    ]
    assert len(set(bases)) == len(bases)
    assert all(len(base.encode()) < 1000 for base in bases)
