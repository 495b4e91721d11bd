"""The bytes of an extract depend on its rows only."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.source.parquet_sink import ParquetSink
from aggregation_pipeline_tests.support.paths import REPOSITORY

ROWS = 70_000
AMOUNT = pa.decimal128(12, 2)
SCHEMA = pa.schema({"id": pa.int64(), "note": pa.string(), "blob": pa.binary(), "amount": AMOUNT})


def batch_of(rows: range) -> pa.RecordBatch:
    notes = [None if i % 7 == 0 else f"备注 {i}" for i in rows]
    blobs = [b"\0" * (i % 50) for i in rows]
    amounts = pa.array([f"{i}.25" for i in rows]).cast(AMOUNT)
    return pa.record_batch([list(rows), notes, pa.array(blobs, pa.binary()), amounts], schema=SCHEMA)


def write(path: Path, steps: list[int]) -> bytes:
    start = turn = 0
    whole = batch_of(range(ROWS))
    with ParquetSink(path, SCHEMA) as sink:
        while start < ROWS:
            rows = min(steps[turn % len(steps)], ROWS - start)
            # New arrays, as they come off the socket: a piece without NULL has no bitmap for it.
            sink.write(
                pa.record_batch(
                    [pa.array(column.to_pylist(), column.type) for column in whole.slice(start, rows).columns], SCHEMA
                )
            )
            start, turn = start + rows, turn + 1
    return path.read_bytes()


def test_the_same_rows_are_the_same_bytes_however_they_came_off_the_socket(tmp_path: Path):
    at_once = write(tmp_path / "one.parquet", [ROWS])
    assert pq.read_table(tmp_path / "one.parquet").equals(pa.Table.from_batches([batch_of(range(ROWS))]))
    for number, steps in enumerate(([2_900], [1, 6, 5_000, 13], [65_536], [65_535, 2]), start=2):
        assert write(tmp_path / f"{number}.parquet", steps) == at_once


def test_wide_rows_make_small_groups_so_that_memory_stays_flat(tmp_path: Path):
    schema = pa.schema([("text", pa.string())])
    with ParquetSink(tmp_path / "wide.parquet", schema) as sink:
        for _ in range(4):
            sink.write(pa.record_batch([["长" * 1_000_000] * 3], schema=schema))
    metadata = pq.read_metadata(tmp_path / "wide.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 3, 3]


def test_a_dictionary_is_kept_for_columns_whose_values_come_again(tmp_path: Path):
    rows = 20_000
    columns = {
        "数 1.few": pa.array([f"城市 {i % 8}" for i in range(rows)]),
        "all": pa.array(range(rows), pa.int64()),
        "nothing": pa.nulls(rows, pa.string()),
        "amount": pa.array([f"{i * 37 % 19_997}.25" for i in range(rows)]).cast(AMOUNT),
        "wide": pa.array([f"{i % 5}.5" for i in range(rows)]).cast(pa.decimal256(60, 1)),
    }
    batch = pa.record_batch(columns)
    with ParquetSink(tmp_path / "x.parquet", batch.schema) as sink:
        sink.write(batch)
    assert pq.read_table(tmp_path / "x.parquet").equals(pa.Table.from_batches([batch]))
    group = pq.read_metadata(tmp_path / "x.parquet").row_group(0)
    found = [group.column(i).has_dictionary_page for i in range(group.num_columns)]
    assert dict(zip(columns, found, strict=True)) == {
        "数 1.few": True,
        "all": False,
        "nothing": True,
        "amount": False,
        "wide": True,
    }


def test_a_file_without_rows_has_its_columns(tmp_path: Path):
    with ParquetSink(tmp_path / "x.parquet", SCHEMA):
        pass
    assert pq.read_table(tmp_path / "x.parquet").equals(SCHEMA.empty_table())


def test_a_write_that_fails_is_raised_where_rows_are_read_and_leaves_no_file(tmp_path: Path):
    def write_to_a_folder_that_is_not_there() -> None:
        with ParquetSink(tmp_path / "nowhere" / "x.parquet", SCHEMA) as sink:
            for start in range(0, ROWS, 5_000):
                sink.write(batch_of(range(start, start + 5_000)))

    with pytest.raises(FileNotFoundError):
        write_to_a_folder_that_is_not_there()
    assert not list(tmp_path.iterdir())


FULL = """
import resource, sys
from pathlib import Path
from aggregation_pipeline.source.parquet_sink import ParquetSink
from aggregation_pipeline_tests.source.test_parquet_sink import SCHEMA, batch_of
batch = batch_of(range(3_000))
for limit in sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), -1))
    try:
        with ParquetSink(Path(sys.argv[1]) / "x.parquet", SCHEMA) as sink:
            sink.write(batch)
    except OSError as error:
        print(error.errno == 27, list(Path(sys.argv[1]).iterdir()), flush=True)
"""


def test_a_disk_that_is_full_at_the_last_byte_or_anywhere_before_is_an_error_and_no_endless_wait(tmp_path: Path):
    with ParquetSink(tmp_path / "whole.parquet", SCHEMA) as sink:
        sink.write(batch_of(range(3_000)))
    size = (tmp_path / "whole.parquet").stat().st_size
    (tmp_path / "full").mkdir()
    limits = [str(size - missing) for missing in (1, 4, 12, 1_000, 10_000, size - 2)]
    command = [sys.executable, "-c", FULL, str(tmp_path / "full"), *limits]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=REPOSITORY)
    assert (done.stdout, done.stderr) == ("True []\n" * len(limits), "")


@pytest.mark.parametrize(("different", "has_dictionary"), [(1_000, True), (1_001, False)])
@pytest.mark.parametrize("late", [True, False])
def test_a_dictionary_needs_four_rows_for_each_value_wherever_the_values_are(
    tmp_path: Path, different: int, has_dictionary: bool, late: bool
):
    values = [max(0, number - 4_000 + different) for number in range(4_000)]
    batch = pa.record_batch({"x": pa.array(values if late else values[::-1], pa.int64())})
    with ParquetSink(tmp_path / "x.parquet", batch.schema) as sink:
        sink.write(batch)
    column = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(0)
    assert column.has_dictionary_page == has_dictionary
