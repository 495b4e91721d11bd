"""Python objects in DataFrames: they come back equal, value and type, or are refused before anything is stored."""

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.io_managers.values import FRAME, read_value, write_value

EXAMPLES = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SHANGHAI, PLUS_8 = ZoneInfo("Asia/Shanghai"), dt.timezone(dt.timedelta(hours=8))
WIDE = 2**53 + 1
MORNING = dt.datetime(2026, 1, 1, 5)
NS = pd.Timestamp("2026-01-01 00:00:00.000000001")

STORED: dict[str, list[Any]] = {
    "integers": [WIDE, None],
    "integers alone": [WIDE, 5],
    "booleans": [True, None],
    "floats": [1.5, float("nan"), None, -0.0],
    "texts": ["x", None],
    "bytes": [b"\xff", None],
    "decimals": [Decimal("1.1"), Decimal("1E+5"), Decimal("0.00100")],
    "dates": [dt.date(2026, 1, 1), None],
    "times": [dt.time(1, 2, 3, 4), None],
    "datetimes": [MORNING, dt.datetime(9999, 1, 1), None],
    "datetimes of a zone": [MORNING.replace(tzinfo=SHANGHAI)],
    "datetimes of an offset": [MORNING.replace(tzinfo=PLUS_8), None],
    "an hour that is repeated": [dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)],
    "durations": [dt.timedelta(microseconds=1), None],
    "pandas' times": [NS, None],
    "pandas' times of a zone": [NS.tz_localize("Asia/Shanghai"), None],
    "pandas' durations": [pd.Timedelta(1, "ns"), None],
    "uuids": [uuid.UUID(int=5), None],
    "lists": [[WIDE, None], [], None],
    "dicts": [{"x": WIDE, "y": None}, {"x": None, "y": [{"z": b"1"}]}, None],
    "nothing": [None, None],
}
REFUSED: dict[str, tuple[list[Any], str]] = {
    "integers and floats": ([1, 2.5], "float and int, for which there is no one type in Arrow: give it a dtype"),
    "integers and decimals": ([1, Decimal("1.5")], "decimal.Decimal and int"),
    "booleans and integers": ([True, 1], "bool and int"),
    "texts and bytes": (["x", b"y"], "bytes and str"),
    "dates and datetimes": ([MORNING.date(), MORNING], r"datetime.date and datetime.datetime without zone"),
    "with and without zone": (
        [MORNING, MORNING.replace(tzinfo=PLUS_8)],
        r"datetime.datetime of UTC\+08:00 and datetime.datetime without zone",
    ),
    "two zones": ([MORNING.replace(tzinfo=zone) for zone in (dt.UTC, SHANGHAI)], "of Asia/Shanghai and .* of UTC"),
    "zones that are equal then": ([MORNING.replace(tzinfo=zone) for zone in (PLUS_8, SHANGHAI)], "Asia/Shanghai and"),
    "pandas' times and Python's": ([NS, MORNING], "datetime.datetime without zone and .*Timestamp without zone"),
    "times of a zone": ([dt.time(1, tzinfo=dt.UTC)], "datetime.time of UTC"),
    "different keys": ([{"x": 1}, {"y": 2}], "dict with different keys of int"),
    "lists of several types": ([[1], ["x"]], "list of int and str"),
    "sets": ([{1}], "set of int"),
    "tuples": ([(1, 2)], "tuple of int"),
    "no number": ([Decimal("1.1"), Decimal("NaN")], "decimal.Decimal.* finite Decimal"),
    "beyond 64 bits": ([2**64], "int.* int of 64 bits"),
    "numpy's scalars": ([np.int8(1)], r"numpy.int8.*infer_objects\(\)"),
    "half characters": (["geheim\ud800"], "str"),
    "any object": ([object()], "object"),
}


def again(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    write_value(frame, folder / "value")
    found = read_value(folder / "value", FRAME, None)
    assert isinstance(found, pd.DataFrame)
    return found


def objects(values: list[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)


def exact(value: Any) -> Any:
    """What tells a value from all others, of other types too."""
    if isinstance(value, list | tuple):
        return type(value), [exact(one) for one in value]
    if isinstance(value, dict):
        return {key: exact(one) for key, one in value.items()}
    if isinstance(value, dt.datetime | dt.time):
        return type(value), value.isoformat(), str(value.tzinfo), value.fold
    return type(value), Decimal(value).normalize() if isinstance(value, Decimal) else repr(value)


@pytest.mark.parametrize("name", STORED)
def test_objects_of_one_type_come_back_equal_in_type_and_value(name: str, tmp_path: Path):
    values = STORED[name]
    rows = range(len(values))
    frame = pd.DataFrame({"column": objects(values), "index": rows})
    for part in (frame, frame[:0], frame[1:], frame.set_axis([1] * len(rows))):
        found = again(part, tmp_path)
        assert found["column"].dtype == object
        assert exact(list(found["column"])) == exact(list(part["column"]))
    indexed = pd.DataFrame({"a": rows}, index=pd.Index(objects(values), name="a"))
    assert exact(list(again(indexed, tmp_path).index)) == exact(values)
    if name not in ("lists", "dicts", "uuids"):
        level = pd.DataFrame({"a": rows}, index=pd.MultiIndex.from_arrays([objects(values), rows], names=["b", None]))
        pd.testing.assert_frame_equal(again(level, tmp_path), level)
        categories = pd.Index(objects([value for value in reversed(values) if not pd.isna(value)]), dtype=object)
        category = pd.DataFrame({"a": pd.Categorical(values, categories, ordered=True)})
        for part in (category, category[:0], category.set_index("a")):
            pd.testing.assert_frame_equal(again(part, tmp_path), part)


@pytest.mark.parametrize("name", REFUSED)
def test_other_objects_are_refused_by_column_and_type_and_without_a_value(name: str, tmp_path: Path):
    values, words = REFUSED[name]
    frame = pd.DataFrame({"fine": range(len(values)), "wrong": objects(values)})
    words = rf"column 'wrong' of the DataFrame \(dtype object\) holds .*{words}"
    with pytest.raises(StorageError, match=words) as error:
        write_value(frame, tmp_path / "value")
    assert "geheim" not in str(error.value)
    assert not (tmp_path / "value").exists()
    with pytest.raises(StorageError, match="the index of the DataFrame"):
        write_value(pd.DataFrame(index=pd.Index(objects(values))), tmp_path / "value")


def test_what_pandas_calls_missing_comes_back_as_none(tmp_path: Path):
    frame = pd.DataFrame({"a": objects(["x", float("nan"), pd.NA, pd.NaT]), "b": objects([1, float("nan"), None, 2])})
    found = again(frame, tmp_path)
    assert (list(found["a"]), list(found["b"])) == (["x", None, None, None], [1, None, None, 2])


def test_arrays_of_numpy_come_back_as_arrays_of_their_dtype(tmp_path: Path):
    arrays = [np.array([1, 2], "float32"), None, np.array([], "float32")]
    found = list(again(pd.DataFrame({"a": objects(arrays)}), tmp_path)["a"])
    assert [one is None or (one.dtype, list(one)) for one in found] == [(np.float32, [1, 2]), True, (np.float32, [])]
    for wrong in ([np.zeros((2, 2))], [np.array([1]), [1]], [np.array([1]), np.array([1.5])], [np.array([1, None])]):
        with pytest.raises(StorageError, match=r"column 'a' .* ndarrays of one dtype"):
            again(pd.DataFrame({"a": objects(wrong)}), tmp_path)


@pytest.mark.parametrize("attributes", [{"span": (1, 2)}, {1: "a"}, {"geheim": np.zeros(2)}])
def test_attributes_of_a_frame_are_what_json_has(attributes: dict[Any, Any], tmp_path: Path):
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = attributes
    with pytest.raises(StorageError, match="attrs of the DataFrame would not come back as they are") as error:
        write_value(frame, tmp_path / "value")
    assert "geheim" not in str(error.value)


def test_nan_beside_na_is_refused(tmp_path: Path):
    floats = pd.arrays.FloatingArray(np.array([1.0, np.nan, 0]), np.array([False, False, True]))
    with pytest.raises(StorageError, match=r"column 'f' of the DataFrame \(dtype Float64\) holds NaN"):
        write_value(pd.DataFrame({"f": floats}), tmp_path / "value")


def test_what_could_be_written_alone_is_refused_too(tmp_path: Path):
    frame = pd.DataFrame({"a": pd.Categorical([uuid.UUID(int=5)])})
    with pytest.raises(StorageError, match=r"column 'a' is of the Arrow type dictionary.*, which Parquet cannot hold"):
        again(frame, tmp_path)


def test_a_table_that_pyarrow_made_of_a_frame_keeps_its_integers_in_pandas(tmp_path: Path):
    table = pa.Table.from_pandas(pd.DataFrame({"a": objects([WIDE, None])}))
    write_value(table, tmp_path / "value")
    found: Any = read_value(tmp_path / "value", FRAME, "pandas")
    assert found["a"][0] == WIDE
    assert found["a"].dtype == "int64[pyarrow]"


SCALARS = (
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.decimals(),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC, SHANGHAI, PLUS_8])),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.integers(-(2**60), 2**60).map(pd.Timestamp),
    st.integers(-(2**60), 2**60).map(pd.Timedelta),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    cells = st.none() | inner
    return st.lists(cells, max_size=2) | st.dictionaries(st.sampled_from("ab"), cells) | st.tuples(cells)


CELLS = st.sampled_from(SCALARS).flatmap(
    lambda scalar: st.sampled_from([scalar, scalar, containers(scalar), containers(containers(scalar))])
)
COLUMNS = CELLS.flatmap(lambda cell: st.lists(st.none() | cell, max_size=4)) | st.lists(
    st.none() | st.one_of(*SCALARS), max_size=3
)


@EXAMPLES
@given(COLUMNS)
def test_no_column_of_objects_comes_back_as_another(tmp_path: Path, values: list[Any]):
    try:
        found = again(pd.DataFrame({"a": objects(values)}), tmp_path)
    except StorageError:
        return
    numbers = {type(value) for value in values} <= {float, type(None)}
    kept = [None if not numbers and isinstance(value, float) and np.isnan(value) else value for value in values]
    assert exact(list(found["a"])) == exact(kept)
