"""The manifest says what SQL itself does not fix, and nothing where it does."""

from pathlib import Path

import pyarrow as pa
import pytest

from aggregation_pipeline.export.caveats import dataset_caveats
from aggregation_pipeline.extract import Dataset

EXACT = pa.schema({"n": pa.int64(), "s": pa.decimal128(10, 2)})


def caveats_of(name="summary", schema=EXACT, sql="SELECT 1", order="group keys", zero_dates=None) -> str:
    dataset = Dataset(name, Path("none"), 0, schema, truncated=False, sql=sql, order=order, zero_dates=zero_dates or {})
    return "\n".join(dataset_caveats(dataset))


def test_exact_figures_in_order_have_no_caveats():
    assert caveats_of() == ""
    assert caveats_of("detail", pa.schema({"t": pa.string(), "f": pa.float64()}), order="primary key (id)") == ""


def test_sums_of_floats_and_keys_of_text_are_caveats():
    caveats = caveats_of(schema=pa.schema({"status": pa.string(), "total": pa.float64(), "n": pa.int64()}))
    assert "summary.total: floating-point figures" in caveats
    assert "summary.status: if a collation ignores case" in caveats


def test_rows_without_an_order_and_dates_that_were_changed_are_caveats():
    assert "detail: the rows have no order" in caveats_of("detail", order="none")
    assert "detail.d: 3 invalid dates, such as 0000-00-00, were written as NULL" in caveats_of(
        "detail", order="id", zero_dates={"d": 3}
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT GROUP_CONCAT(`a` ORDER BY `a`) AS x", False),
        ("SELECT GROUP_CONCAT(UPPER(a)) AS x", True),
        ("SELECT group_concat(distinct a separator ';') AS x", True),
        ("SELECT SUM(a) AS x ORDER BY 1", False),
    ],
)
def test_a_group_concat_without_an_order_is_a_caveat(sql, expected):
    assert ("GROUP_CONCAT without ORDER BY" in caveats_of(sql=sql)) is expected
