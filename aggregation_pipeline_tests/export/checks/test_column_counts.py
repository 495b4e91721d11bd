"""Duplicates are counted exactly, in memory as in files."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.export.checks import column_counts
from aggregation_pipeline.export.checks.column_counts import duplicates
from aggregation_pipeline.extract import Dataset

TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "ab", "bc", "c", "1:a", ":", "张"]))
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.one_of(st.none(), st.integers(-3, 3))), max_size=40)


def written(path: Path, table: pa.Table) -> Dataset:
    pq.write_table(table, path, row_group_size=7)
    return Dataset("detail", path, table.num_rows, table.schema, truncated=False, sql="", order="")


@pytest.mark.parametrize("part_bytes", [column_counts._PART_BYTES, 1, 40])
@given(rows=ROWS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_is_a_duplicate_if_an_earlier_one_has_the_same_values(tmp_path: Path, monkeypatch, part_bytes, rows):
    monkeypatch.setattr(column_counts, "_PART_BYTES", part_bytes)
    monkeypatch.setattr(column_counts, "_PARTS", 3)
    first, second, third = ([row[place] for row in rows] for place in range(3))
    table = pa.table({"a": pa.array(first, pa.string()), "b": pa.array(second, pa.string()).cast(pa.binary())})
    dataset = written(tmp_path / "rows.parquet", table.append_column("c", pa.array(third, pa.int64())))
    for columns, places in (("abc", (0, 1, 2)), ("ab", (0, 1)), ("c", (2,))):
        keys = [tuple(row[place] for place in places) for row in rows]
        complete = Counter(key for key in keys if None not in key)
        assert duplicates(dataset, list(columns)) == complete.total() - len(complete)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_moments_of_the_hour_that_occurs_twice_are_not_duplicates(tmp_path: Path):
    hour = pa.array([1_761_440_400_000_000, 1_761_444_000_000_000], pa.int64()).view(
        pa.timestamp("us", "Europe/Berlin")
    )
    assert duplicates(written(tmp_path / "rows.parquet", pa.table({"at": hour})), ["at"]) == 0


def test_no_part_holds_a_value_more_often_than_there_are_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """NULLs first, which take no room, and then one value in all rows: neither may be in memory as a whole."""
    largest = 0

    def count(keys: pa.ChunkedArray) -> int:
        nonlocal largest
        largest = max(largest, keys.nbytes)
        return distinct(keys)

    distinct = column_counts._count_distinct
    monkeypatch.setattr(column_counts, "_count_distinct", count)
    monkeypatch.setattr(column_counts, "_PART_BYTES", 1 << 16)
    same, different = ["x" * 64] * 50_000, [f"{number:064}" for number in range(50_000)]
    table = pa.table({"key": pa.array([None] * 50_000 + same + different, pa.string())})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=16_384)
    dataset = Dataset("detail", path, table.num_rows, table.schema, truncated=False, sql="", order="")
    assert duplicates(dataset, ["key"]) == 49_999
    assert largest < 1 << 16


def test_zero_is_a_duplicate_of_minus_zero(tmp_path: Path):
    assert duplicates(written(tmp_path / "rows.parquet", pa.table({"a": [0.0, -0.0, 1.5]})), ["a"]) == 1
