"""Files that the real packages have written, kept here: equal to ours, and with a note for what they lost."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline_tests.comparison.comparing import compared, entry_of, extract_of

SAMPLES = Path(__file__).parent / "samples"
FILES = ("aggregated.json", "csv-writer.csv", "json2csv.csv", "aggregated.excel")


@pytest.mark.parametrize("file", FILES)
def test_what_the_real_packages_wrote_is_equal(file: str, tmp_path: Path):
    extract = extract_of(tmp_path, pq.read_table(SAMPLES / "detail.parquet"))
    result = compared(tmp_path, entry_of(select_fields=["*"]), extract, SAMPLES, file=str(SAMPLES / file))
    assert (result.problem, result.status, result.equal_rows, result.keys) == (None, "equal", 4, ["id"])
    notes = dict(result.notes)
    assert notes["big", "lost_digits"] == 2
    assert notes["single", "six_digits"] >= 1
    if file != "aggregated.excel":
        assert notes["exactly", "cut_fraction"] == 2
    for column, note in {
        "csv-writer.csv": (("doc", "object_object"), ("raw", "bytes_as_text"), ("short", "bytes_as_text")),
        "aggregated.excel": (("doc", "not_in_sheet"), ("bits", "not_in_sheet"), ("at", "sheet_clock")),
    }.get(file, ()):
        assert notes[column, note] >= 1


@pytest.mark.parametrize("file", FILES)
def test_a_changed_digit_is_found_and_named(file: str, tmp_path: Path):
    """In a DECIMAL of 28 digits, and in a second of a DATETIME."""
    table = pq.read_table(SAMPLES / "detail.parquet")
    rows = table.to_pylist()
    rows[0]["price"] = type(rows[0]["price"])("123456789012345678.1234567891")
    rows[0]["at"] = rows[0]["at"].replace(second=58)
    changed = type(table).from_pylist(rows, table.schema)
    extract = extract_of(tmp_path, changed)
    result = compared(tmp_path, entry_of(select_fields=["*"]), extract, SAMPLES, file=str(SAMPLES / file))
    assert (result.status, result.equal_rows, result.differing_rows) == ("differs", 3, 1)
    assert {name for name, found in result.columns.items() if found.differing} == {"price", "at"}
    price = next(example for example in result.examples if example.column == "price")
    assert (price.key, price.ours, price.old) == (
        {"id": "1"},
        "123456789012345678.1234567891",
        "123456789012345678.1234567890",
    )
