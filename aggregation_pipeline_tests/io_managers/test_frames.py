"""Frames that are stored and loaded are the frames that were returned, in each library, and as each other's."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.io_managers.values import FRAME, read_value, write_value
from aggregation_pipeline_tests.io_managers.arrow_columns import ARROW, arrow_array

EXAMPLES = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ZONE = "Asia/Shanghai"
BETWEEN = (dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
TZ_NS = pd.DatetimeTZDtype("ns", ZONE)


def array(values: Any, dtype: Any) -> Any:
    return pd.array(values, dtype)


# By name, a column of two values, the last of them missing.
PANDAS: dict[str, Any] = {
    "int64": np.array([1, 2]),
    "Int64": array([2**62 + 1, None], "Int64"),
    "UInt8": array([255, None], "UInt8"),
    "float32": np.array([1.5, np.nan], "float32"),
    "boolean": array([True, None], "boolean"),
    "text": ["张三", None],
    "bytes": [b"\0x", None],
    "decimal": [Decimal("1.10"), None],
    "date": [dt.date(2026, 1, 1), None],
    "time": [dt.time(1, 2, 3, 4), None],
    "all null": [None, None],
    "seconds": array(["2026-01-01", None], "datetime64[s]"),
    "microseconds": array(["2026-01-01", None], "datetime64[us]"),
    "zone": array(["2026-11-01 01:30", None], TZ_NS),
    "offset": array(["2026-01-01T00:00:00.000000001+05:30", None], pd.DatetimeTZDtype("ns", "+05:30")),
    "timedelta": pd.to_timedelta([1, None], unit="ms"),
    "period": array(["2026-01", None], "period[M]"),
    "interval": array([pd.Interval(0, 1), None], "interval"),
    "categories": pd.Categorical(["b", None], categories=["z", "b", "a"]),
    "ordered numbers": pd.Categorical([3, None], categories=[3, 1], ordered=True),
    "decimal categories": pd.Categorical([Decimal("1.1"), None], categories=[Decimal("1.1"), Decimal("2.2")]),
    "arrow decimal": array([Decimal("1.1"), None], pd.ArrowDtype(pa.decimal128(10, 2))),
    "arrow list": array([[1, None], None], pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow struct": array([{"x": 1}, None], pd.ArrowDtype(pa.struct([("x", pa.int64())]))),
    "arrow text": array(["a", None], pd.ArrowDtype(pa.string())),
}


def again(value: object, folder: Path, kind: Any = None) -> Any:
    assert write_value(value, folder / "value").extension == FRAME
    return read_value(folder / "value", FRAME, kind)


@pytest.mark.parametrize("name", PANDAS)
def test_a_column_of_pandas_keeps_its_dtype_and_its_values(name: str, tmp_path: Path):
    frame = pd.DataFrame({"column": PANDAS[name]})
    for part in (frame, frame[:0], frame[1:]):
        pd.testing.assert_frame_equal(again(part, tmp_path), part)


INDEXED = [
    pd.DataFrame(),
    pd.DataFrame(index=range(3)),
    pd.DataFrame({1: [1], 2: [2]}),
    pd.DataFrame({("a", 1): [1], ("a", 2): [2]}),
    pd.DataFrame({"a": [1, 2]}, index=[5, 3]),
    pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["p", None])),
    pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2026", periods=2, tz=ZONE, name="t")),
    pd.DataFrame({"a": [1]}, index=pd.CategoricalIndex(["q"], name="k")),
    pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(10, 30, 10, name="r")),
    pd.DataFrame({"a": [1, 2]}, index=array([2**53 + 1, None], pd.ArrowDtype(pa.int64()))),
    pd.DataFrame({"__index_level_0__": [1, 2]}, index=[5, 3]),
]


@pytest.mark.parametrize("frame", INDEXED, ids=lambda frame: str(frame.index.names))
def test_index_and_names_of_columns_come_back(frame: pd.DataFrame, tmp_path: Path):
    pd.testing.assert_frame_equal(again(frame, tmp_path), frame, check_freq=False)


def test_who_knows_no_pandas_gets_an_index_that_has_a_name_as_a_column(tmp_path: Path):
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 3])
    assert again(frame, tmp_path, "arrow").to_pydict() == {"a": [1, 2]}
    assert again(frame, tmp_path, "batches").read_all().to_pydict() == {"a": [1, 2]}
    taken = pd.DataFrame({"__index_level_0__": [1, 2]}, index=[5, 3])
    assert again(taken, tmp_path, "arrow").to_pydict() == {"__index_level_0__": [1, 2]}
    named = frame.rename_axis("id")
    assert again(named, tmp_path, "polars").to_dict(as_series=False) == {"a": [1, 2], "id": [5, 3]}


@EXAMPLES
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "i": st.none() | st.integers(-(2**63), 2**63 - 1),
                "f": st.floats(allow_nan=False),
                "s": st.none() | st.text(),
                "b": st.none() | st.binary(),
                "d": st.none() | st.decimals(-(10**10), 10**10, places=4),
                "t": st.datetimes(*BETWEEN, timezones=st.just(dt.UTC)),
            }
        )
    )
)
def test_any_frame_of_pandas_round_trips(tmp_path: Path, rows: list[dict[str, Any]]):
    frame = pd.DataFrame(rows, columns=["i", "f", "s", "b", "d", "t"], dtype=object)
    frame = frame.astype({"i": "Int64", "f": "float64", "s": "str", "t": "datetime64[us, UTC]"})
    if frame["s"].notna().any():  # categories of no text have no type
        frame["s2"] = frame["s"].astype("category")
    pd.testing.assert_frame_equal(again(frame, tmp_path), frame)


@EXAMPLES
@given(
    dataframes(max_cols=4, max_size=4, excluded_dtypes=[pl.Object, pl.Categorical, pl.Int128, pl.UInt128, pl.Float16])
)
def test_any_frame_of_polars_round_trips(tmp_path: Path, frame: pl.DataFrame):
    polars.testing.assert_frame_equal(again(frame, tmp_path), frame)
    polars.testing.assert_frame_equal(again(frame.lazy(), tmp_path, "lazy").collect(), frame)


def test_types_that_only_polars_has_come_back_to_polars(tmp_path: Path):
    frame = pl.DataFrame(
        {
            "enum": pl.Series(["a"], dtype=pl.Enum(["b", "a"])),
            "category": pl.Series(["a"], dtype=pl.Categorical),
            "big": pl.Series([2**100], dtype=pl.Int128),
        }
    )
    polars.testing.assert_frame_equal(again(frame, tmp_path), frame)
    with pytest.raises(StorageError, match=r"a type that Arrow does not know .*annotate the input as polars.DataFrame"):
        again(frame, tmp_path, "arrow")
    assert str(again(frame.drop("big"), tmp_path, "pandas")["enum"].dtype).startswith("dictionary")


@pytest.mark.parametrize(("kind", "values"), ARROW, ids=[str(kind) for kind, _ in ARROW])
def test_a_column_of_arrow_keeps_its_type_and_its_values(kind: pa.DataType, values: list[Any], tmp_path: Path):
    table = pa.table({"column": arrow_array(kind, [*values, None])}, metadata={"made by": "hand"})
    assert table["column"].null_count == 1
    for part in (table, table[:0], table[1:], pa.concat_tables([table, table]), table[len(values) :]):
        found = again(part, tmp_path)
        assert found.schema.equals(part.schema, check_metadata=True)
        assert found.equals(part)
        assert str(found["column"].type) == str(kind)
    streamed = again(table.to_reader(), tmp_path, "batches")
    assert streamed.schema.equals(table.schema)
    assert streamed.read_all().equals(table)


def test_wide_decimals_of_arrow_are_polars_where_their_digits_suffice(tmp_path: Path):
    fits = pa.table({"sum": pa.array([Decimal("12345.6789"), None], pa.decimal256(42, 4))})
    assert again(fits, tmp_path, "polars")["sum"].to_list() == [Decimal("12345.6789"), None]
    wide = pa.table({"sum": pa.array([Decimal(10) ** 40], pa.decimal256(42, 0))})
    with pytest.raises(StorageError, match=r"column 'sum' .* more digits than the 38 of polars.*as pyarrow.Table"):
        again(wide, tmp_path, "polars")


def test_values_of_a_dictionary_that_no_row_has_stay_in_their_order(tmp_path: Path):
    values = pa.DictionaryArray.from_arrays(pa.array([2, None, 0], pa.int8()), pa.array([30, 10, 20]), ordered=True)
    found = again(pa.table({"column": values}), tmp_path)["column"]
    assert (found.type, found.chunk(0).dictionary.to_pylist()) == (values.type, [30, 10, 20])
    assert found.to_pylist() == [20, None, 30]


def test_batches_stream_through_files_with_few_of_them_in_memory(tmp_path: Path):
    alive = most = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal alive, most
        for number in range(200):
            before = pa.total_allocated_bytes()
            yield pa.record_batch({"n": np.full(10_000, number), "text": ["x" * 50] * 10_000})
            alive = max(alive, pa.total_allocated_bytes() - before)

    schema = pa.schema({"n": pa.int64(), "text": pa.string()})
    before = pa.total_allocated_bytes()
    reader = again(pa.RecordBatchReader.from_batches(schema, batches()), tmp_path, "batches")
    rows = 0
    for batch in reader:
        most = max(most, pa.total_allocated_bytes() - before)
        rows += batch.num_rows
    assert rows == 2_000_000
    # 130 MB of rows.
    assert max(alive, most) < 40_000_000


def test_other_programs_read_a_plain_file(tmp_path: Path):
    again(pd.DataFrame({"a": pd.Categorical([2, 1]), "b": pd.to_datetime(["2026-01-01"] * 2)}), tmp_path)
    assert pq.read_table(tmp_path / "value").to_pydict() == {"a": [2, 1], "b": [pd.Timestamp("2026-01-01")] * 2}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns of the DataFrame have the same name: a. Rename"),
        (pd.DataFrame({"ok": [1], "mixed": [object()]}), r"column 'mixed' of the DataFrame \(dtype object\) holds"),
        (pd.DataFrame({"secret": [7, "geheim"]}), r"column 'secret' .* no one type in Arrow: give it a dtype"),
        (pa.table({"i": pa.array([None], pa.month_day_nano_interval())}), "column 'i' is of the Arrow type month_day"),
        (pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), "hold Python objects: 'o'. Give them a dtype"),
        (
            pd.Series([1]),
            "a pandas.Series is not stored: a pandas DataFrame, .* Nothing is pickled: a pickle runs code",
        ),
        ({"a": 1}, "a builtins.dict is not stored"),
        (
            pd.DataFrame([[1, 2]], columns=["1", 1]),
            "names of columns of the DataFrame are of several types: int, str",
        ),
        (pd.DataFrame([[1]], columns=pd.CategoricalIndex(["x"])), "the names of columns .* would not come back"),
        (
            pd.DataFrame([[1]], columns=pd.period_range("2026", periods=1, freq="M")),
            "names of columns .* Make them",
        ),
        (pd.DataFrame([[1, 2]], columns=[True, False]), r"the names of columns .* would not come back"),
        (pd.DataFrame({"a": [1]}, index=pd.Index([2], name=7)), "the names of the index .* would not come back"),
        (pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_arrays([[1]])), "is a MultiIndex of one level"),
        (
            pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex([[2**53 + 1], ["x"]], [[0, -1], [0, 0]])),
            "level 0 of the index of the DataFrame .dtype int64. would come back as dtype float64",
        ),
        (pd.DataFrame({"ok": [1], "c": [1j]}), "column 'c' of the DataFrame .dtype complex128. holds what has no type"),
        (pd.DataFrame({"ok": [1, 2], "c": pd.cut([1, 5], 2)}), "column 'c' of the DataFrame .* has no type in Arrow"),
        (pa.table({"ok": [1], "d": pa.nulls(1, pa.decimal128(10, -2))}), r"column 'd' is of the Arrow type decimal128"),
        (
            pa.table({"ok": [1], "l": pa.nulls(1, pa.list_(pa.dictionary(pa.int8(), pa.bool_())))}),
            "column 'l' is of the Arrow type list.*, which Parquet cannot hold; cast it first",
        ),
        (
            pa.table({"ok": [1], "t": pa.array([2**62], pa.timestamp("s"))}),
            r"column 't' .timestamp\[s\]. holds a value that Parquet cannot hold",
        ),
        (pa.table({"a": [1]}).select([]), "without columns the number of rows would be lost"),
        (
            pa.RecordBatchReader.from_batches(pa.schema([]), [pa.record_batch({"a": [1]}).select([])]),
            "without columns the number of rows would be lost",
        ),
        (
            pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int8()}), iter([pa.record_batch({"b": ["geheim"]})])),
            r"a batch has other columns than the schema of its reader: b .string.",
        ),
        (
            pl.DataFrame({"ok": [1], "s": pl.Series([[]], dtype=pl.List(pl.Struct([])))}),
            "column 's' holds structs",
        ),
        (pl.DataFrame(height=3), "without columns the number of rows would be lost"),
        ("geheim\ud800", "the text has half of a character .a lone surrogate. at position 6"),
    ],
)
def test_what_cannot_be_stored_is_named_without_a_value(value: object, words: str, tmp_path: Path):
    with pytest.raises(StorageError, match=words) as error:
        write_value(value, tmp_path / "value")
    assert "geheim" not in str(error.value)
