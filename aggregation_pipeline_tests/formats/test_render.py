"""What all formats promise alike."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.options import FormatOptions, JsonOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.registry import FORMATS, render
from aggregation_pipeline_tests.formats.cases import all_types, column, make_extract

each_format = pytest.mark.parametrize("name", FORMATS)


@each_format
def test_the_same_data_gives_the_same_bytes(tmp_path: Path, name: str):
    written = []
    for run in ("first", "second"):
        (tmp_path / run / "out").mkdir(parents=True)
        files = render(name, make_extract(tmp_path / run, all_types()), tmp_path / run / "out", FormatOptions())
        written.append([(file.name, file.path.read_bytes()) for file in files])
    assert written[0] == written[1]


@each_format
def test_nothing_is_left_when_reading_breaks_off_in_the_middle(
    tmp_path: Path, out: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    whole = Dataset.batches

    def broken(self: Dataset, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from whole(self, columns=columns)
        if self.name == "detail":
            raise OSError("the disk is gone")

    monkeypatch.setattr(Dataset, "batches", broken)
    # A sum of a BIGINT, so that Parquet is written row by row and not copied.
    table = column("s", pa.decimal256(41, 0), "DECIMAL(41,0)", [1, 2])
    with pytest.raises(OSError, match="the disk is gone"):
        render(name, make_extract(tmp_path, table), out, FormatOptions())
    assert list(out.iterdir()) == []


@each_format
def test_a_file_of_an_earlier_attempt_is_replaced_whole(tmp_path: Path, out: Path, name: str):
    before = render(
        name, make_extract(tmp_path, column("n", pa.int32(), "INT", list(range(3000)))), out, FormatOptions()
    )
    after = render(name, make_extract(tmp_path, column("n", pa.int32(), "INT", [1])), out, FormatOptions())
    assert [file.path for file in before] == [file.path for file in after]
    assert sorted(out.iterdir()) == sorted(file.path for file in after)
    assert [file.bytes for file in after] == [file.path.stat().st_size for file in after]


@each_format
def test_an_empty_result_gives_files_with_headers_and_no_rows(tmp_path: Path, out: Path, name: str):
    files = render(name, make_extract(tmp_path, all_types().slice(0, 0)), out, FormatOptions())
    names = all_types().schema.names
    assert files[-1].rows in (0, 1)
    text = files[-1].path
    if name == "csv":
        assert text.read_text("utf-8-sig").splitlines() == [",".join(f'"{column}"' for column in names)]
    elif name == "excel":
        assert [[cell.value for cell in row] for row in openpyxl.load_workbook(text)["detail"]] == [names]
    elif name == "parquet":
        assert pq.read_table(text).num_rows == 0
        assert pq.read_schema(text).names == names
    else:
        assert '"detail": [\n]' in text.read_text()


@each_format
def test_any_name_of_a_table_is_a_name_of_a_file(tmp_path: Path, out: Path, name: str):
    for table in ("订单 2026.v1", "a/b", "..", "nul\0", "x" * 300, "%2F", "'quoted\""):
        files = render(name, make_extract(tmp_path, table=table), out, FormatOptions())
        assert all(file.name.startswith(f"{table}.") for file in files)
        assert all(file.path.parent == out and file.path.is_file() for file in files)


def test_files_are_called_what_the_template_says_and_what_a_plan_was_told(tmp_path: Path, out: Path):
    extract = make_extract(tmp_path, all_types())
    for shape in get_args(JsonOptions.model_fields["shape"].annotation):
        options = FormatOptions(file_names="{format}_{table}_{date}-{dataset}", json_=JsonOptions(shape=shape))
        for name, each in FORMATS.items():
            files = render(name, extract, out, options)
            planned = each.file_names("orders", "2026-11-20", ("summary", "detail"), options)
            assert {file.dataset: file.name for file in files} == planned
            ending = each.file_type(options).ending
            parts = [""] if "all" in planned else ["-summary", "-detail"]
            assert [file.name for file in files] == [f"{name}_orders_20261120{part}{ending}" for part in parts]


@each_format
def test_a_cut_extract_is_noticed(tmp_path: Path, out: Path, name: str):
    with pytest.raises(FormatError, match="was said to hold 9 rows"):
        render(name, make_extract(tmp_path, column("n", pa.int32(), "INT", [1]), rows=9), out, FormatOptions())
    assert list(out.iterdir()) == []


@each_format
def test_zero_dates_that_became_null_are_noted_on_the_file(tmp_path: Path, out: Path, name: str):
    table = column("d", pa.date32(), "DATE", [None, None])
    files = render(name, make_extract(tmp_path, table, summary=table, zero_dates={"d": 2}), out, FormatOptions())
    assert sum(file.notes["zero_dates_as_null"] for file in files) == 4


@each_format
def test_slices_of_wide_rows_are_small(tmp_path: Path, out: Path, name: str):
    texts = [chr(65 + n) * 300_000 for n in range(40)]
    files = render(name, make_extract(tmp_path, column("t", pa.string(), "LONGTEXT", texts)), out, FormatOptions())
    assert files[-1].notes == ({"excel_cells_cut": 40} if name == "excel" else {})
    if name == "csv":
        assert files[-1].path.read_text("utf-8-sig").splitlines()[1:] == [f'"{text}"' for text in texts]


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path):
    with pytest.raises(FormatError, match="There is no format 'xml'; formats are json, csv, excel, parquet"):
        render("xml", make_extract(tmp_path), tmp_path, FormatOptions())


_DIE = """
import os, signal, sys
from pathlib import Path
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.formats import csv_file
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.formats.cases import all_types, make_extract
csv_file.slices = lambda dataset: os.kill(os.getpid(), signal.SIGKILL)
render("csv", make_extract(Path(sys.argv[1]), all_types()), Path(sys.argv[2]), FormatOptions())
"""


def test_a_killed_process_leaves_nothing_that_looks_like_a_file(tmp_path: Path, out: Path):
    assert (
        subprocess.run([sys.executable, "-c", _DIE, str(tmp_path), str(out)], check=False).returncode == -signal.SIGKILL
    )
    assert [path.suffix for path in out.iterdir()] == [".part"]


_MEASURE = """
import re, sys
from pathlib import Path
import pandas, pyarrow as pa, pyarrow.parquet as pq
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.registry import render
path, name, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
with pq.ParquetFile(path) as file:
    dataset = Dataset("detail", path, file.metadata.num_rows, file.schema_arrow, False, "SELECT", "none")
render(name, Extract("t", "2026-11-20", (dataset,), "snapshot"), out, FormatOptions())
# getrusage would tell the peak of the process that this one was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@each_format
def test_memory_does_not_grow_with_rows(tmp_path: Path, out: Path, name: str):
    peaks = []
    for millions in (1, 5):
        path = tmp_path / f"{millions}.parquet"
        _write_rows(path, groups=10 * millions)
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(path), name, str(out)], check=True, capture_output=True, text=True
        )
        peaks.append(int(done.stdout))
    # In MiB. Excel's takes a step of 25 between 3 and 5 million rows; with 12 million it is the same as with 5.
    assert peaks[1] <= peaks[0] + 32
    assert peaks[1] <= 290


def _write_rows(path: Path, *, groups: int) -> None:
    """100,000 rows a group: numbers, a wide sum, and a text that differs from row to row."""
    schema = pa.schema([("id", pa.int64()), ("s", pa.decimal256(41, 2)), ("t", pa.string()), ("d", pa.float64())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in range(groups):
            ids = pa.array(range(group * 100_000, (group + 1) * 100_000), pa.int64())
            text = pa.array([f"备注 {n} of a customer" for n in range(group * 100_000, (group + 1) * 100_000)])
            writer.write_table(
                pa.Table.from_arrays([ids, ids.cast(pa.decimal256(41, 2)), text, ids.cast(pa.float64())], schema=schema)
            )
