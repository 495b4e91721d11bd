from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.options import FormatOptions, ParquetOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats import parquet_file
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.formats.cases import all_types, column, make_extract


def test_values_and_types_are_those_of_the_extract(tmp_path: Path, out: Path):
    table = all_types()
    summary, detail = render("parquet", make_extract(tmp_path, table), out, FormatOptions())
    assert (summary.name, detail.name) == ("orders.summary.parquet", "orders.detail.parquet")
    found = pq.read_table(detail.path)
    # The sum of a BIGINT is 41 digits wide by its type and 21 by its value; 38 is what other readers can take.
    changed = {"sum_of_bigint": pa.decimal128(38, 0), "widest": pa.string()}
    for field in table.schema:
        assert found.schema.field(field.name).type == changed.get(field.name, field.type), field.name
        wanted = table.column(field.name).to_pylist()
        if field.name == "widest":
            wanted = [None if value is None else f"{value:f}" for value in wanted]
        assert found.column(field.name).to_pylist() == wanted, field.name
    assert found.schema.field("json").metadata == {b"mysql_type": b"JSON"}


def test_pandas_reads_exact_decimals_and_unsigned_numbers(tmp_path: Path, out: Path):
    table = all_types()
    detail = render("parquet", make_extract(tmp_path, table), out, FormatOptions())[-1]
    frame = pd.read_parquet(detail.path, dtype_backend="pyarrow")
    for name in ("money", "exact", "bigint_unsigned", "text", "timestamp", "date"):
        wanted = table.column(name).to_pylist()
        assert [None if value is pd.NA or value is pd.NaT else value for value in frame[name]] == wanted, name


def test_the_compression_is_the_one_asked_for(tmp_path: Path, out: Path):
    extract = make_extract(tmp_path, column("n", pa.int32(), "INT", list(range(5000))))
    for compression in ("zstd", "snappy"):
        detail = render("parquet", extract, out, FormatOptions(parquet=ParquetOptions(compression=compression)))[-1]
        metadata = pq.read_metadata(detail.path)
        assert {metadata.row_group(i).column(0).compression for i in range(metadata.num_row_groups)} == {
            compression.upper()
        }
        assert pq.read_table(detail.path).column("n").to_pylist() == list(range(5000))


def test_rows_that_are_written_anew_keep_their_order_over_row_groups(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parquet_file, "_GROUP_ROWS", 1500)
    values = [Decimal(n) for n in range(5000)]
    detail = render(
        "parquet",
        make_extract(tmp_path, column("s", pa.decimal256(41, 0), "DECIMAL(41,0)", values)),
        out,
        FormatOptions(),
    )[-1]
    assert pq.read_metadata(detail.path).num_row_groups > 1
    assert pq.read_table(detail.path).column("s").to_pylist() == values


def with_duckdb(sql: str) -> list[Any]:
    found = duckdb.sql(sql)
    assert found is not None
    return found.fetchall()


WIDE = [Decimal(1), Decimal(10**39), None, Decimal(-(10**40)), Decimal(0)]


def test_a_sum_beyond_38_digits_is_text_that_every_reader_opens_with_all_its_digits(tmp_path: Path, out: Path):
    table = column("s", pa.decimal256(41, 0), "DECIMAL(41,0)", WIDE).append_column("n", pa.array(range(5)))
    detail = render("parquet", make_extract(tmp_path, table), out, FormatOptions())[-1]
    texts = ["1", "1" + "0" * 39, None, "-1" + "0" * 40, "0"]
    assert pq.read_table(detail.path).to_pydict() == {"s": texts, "n": list(range(5))}
    assert pq.read_schema(detail.path).field("s").metadata == {b"mysql_type": b"DECIMAL(41,0)"}
    assert with_duckdb(f"SELECT s, n FROM '{detail.path}'") == list(zip(texts, range(5), strict=True))
    assert detail.notes == {"parquet_decimals_as_text": 4}


def test_digits_after_the_point_count_as_well_and_are_written_without_exponents(tmp_path: Path, out: Path):
    values = [Decimal("123456789.000000000000000000000000000001"), Decimal("0E-30"), Decimal("-1E-30")]
    detail = render(
        "parquet",
        make_extract(tmp_path, column("s", pa.decimal256(65, 30), "DECIMAL(65,30)", values)),
        out,
        FormatOptions(),
    )[-1]
    assert with_duckdb(f"SELECT s FROM '{detail.path}'") == [(f"{value:f}",) for value in values]


def test_a_wide_decimal_stays_one_where_that_is_asked_for(tmp_path: Path, out: Path):
    table = column("s", pa.decimal256(41, 0), "DECIMAL(41,0)", WIDE)
    options = FormatOptions(parquet=ParquetOptions(wide_decimals="decimal"))
    detail = render("parquet", make_extract(tmp_path, table), out, options)[-1]
    assert pq.read_schema(detail.path).field("s").type == pa.decimal256(41, 0)
    assert pq.read_table(detail.path).column("s").to_pylist() == WIDE
    assert detail.notes == {}
    # What the option's default is for: DuckDB rounds such a column, others refuse the file.
    assert with_duckdb(f"SELECT DISTINCT typeof(s) FROM '{detail.path}'") == [("DOUBLE",)]


def test_an_extract_with_other_rows_than_it_promised_is_not_published(tmp_path: Path, out: Path):
    with pytest.raises(FormatError, match=r"summary was said to hold 7 rows and holds 1.*Run the table again"):
        render("parquet", make_extract(tmp_path, rows=7), out, FormatOptions())
    assert list(out.iterdir()) == []
