"""Checks count what is wrong in the rows, and their messages never quote a value."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.checks import Checks
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import CheckError
from aggregation_pipeline.export.checks.evaluate import evaluate_checks
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.storage.manifest import Manifest, ManifestColumn, ManifestDataset, ManifestExtract

ROWS = pa.table(
    {
        "id": pa.array([1, 2, 2, None, None]),
        "email": ["a@x.com", "b@x.com", "b@x.com", None, "b@x.com"],
        "price": pa.array([Decimal("1.50"), None, Decimal("2.00"), None, Decimal("1.50")], pa.decimal128(10, 2)),
        "vip": pa.array([0, 1, 1, 0, 2], pa.int8()),
    }
)


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., dict[str, CheckResult]]:
    def run(
        *groups: dict[str, Any],
        before: int | None = None,
        reference: Manifest | None = None,
        truncated: bool = False,
        consistency: str = "snapshot",
        columns_fingerprint: str = "",
    ) -> dict[str, CheckResult]:
        path = tmp_path / "detail.parquet"
        pq.write_table(ROWS, path, row_group_size=2)
        dataset = Dataset("detail", path, ROWS.num_rows, ROWS.schema, truncated, "SELECT", "none")
        extract = Extract("t", "2026-11-20", (dataset,), consistency, columns_fingerprint=columns_fingerprint)
        checks = tuple(Checks.model_validate(group) for group in groups)
        entry = TableEntry(name="t", select_fields=("*",), checks=checks)
        return {result.name: result for result in evaluate_checks(entry, extract, reference, lambda: before)}

    return run


@pytest.mark.parametrize(
    ("check", "passed", "words"),
    [
        ({"min_rows": 5}, True, "5 rows, at least 5 expected"),
        ({"min_rows": 6}, False, "5 rows, at least 6 expected"),
        ({"max_rows": 4}, False, "5 rows, at most 4 expected"),
        ({"not_null": "vip"}, True, "No NULLs: vip"),
        ({"not_null": ["id", "email"]}, False, "id has 2 NULLs; email has 1 NULL"),
        # As in a UNIQUE index: a NULL is like no other.
        ({"unique": ["id"]}, False, "id has 1 duplicate"),
        (
            {"unique": ["id, vip", "email"]},
            False,
            "id, vip has 1 duplicate; email has 2 duplicates",
        ),
        ({"unique": "price, vip"}, True, "No duplicates: price, vip"),
        ({"values": {"vip": [False, True, 2]}}, True, "No unexpected values: vip"),
        (
            {"values": {"vip": [0, 1], "email": ["none"]}},
            False,
            "vip has 1 unexpected value; email has 4 unexpected values; vip may be 0, 1; email may be none",
        ),
    ],
)
def test_a_check_counts_what_is_wrong(evaluated, check, passed, words):
    (name,) = check
    result = evaluated(check)[name]
    assert result.passed is passed
    assert result.message.startswith(words)
    assert "x.com" not in result.message


@pytest.mark.parametrize(
    ("before", "passed", "words"),
    [
        (4, True, "5 rows after 4: +25.0 %, at most 30 % expected"),
        (50, False, "5 rows after 50: -90.0 %, at most 30 % expected"),
        (None, True, "5 rows; there is no earlier window with rows to compare with"),
        (0, True, "5 rows; there is no earlier window with rows to compare with"),
    ],
)
def test_a_change_is_measured_against_the_window_before(evaluated, before, passed, words):
    result = evaluated({"change_percent": 30}, before=before)["change_percent"]
    assert (result.passed, result.message) == (passed, words)


def test_groups_have_severities_of_their_own_and_the_second_of_a_kind_a_name_of_its_own(evaluated):
    found = evaluated({"min_rows": 1, "blocking": True}, {"min_rows": 100, "severity": "warn"})
    assert (found["min_rows"].passed, found["min_rows"].severity, found["min_rows"].blocking) == (True, "error", True)
    assert (found["min_rows_2"].passed, found["min_rows_2"].severity, found["min_rows_2"].blocking) == (
        False,
        "warn",
        False,
    )


def test_what_is_always_watched(evaluated):
    passing = evaluated()
    assert {name: one.passed for name, one in passing.items()} == {
        "not_truncated": True,
        "schema_unchanged": True,
        "snapshot_held": True,
    }
    columns = (
        ManifestColumn(name="id", type="int32"),
        ManifestColumn(name="old", type="string"),
        ManifestColumn(name="email", type="string"),
    )
    dataset = ManifestDataset(
        name="detail", rows=1, sql="", order="", truncated=False, columns=columns, zero_dates={},
        extract=ManifestExtract(key="k", bytes=0, crc64="0"),
    )  # fmt: skip
    reference = Manifest(
        table="t", window="w", run_id="r", publication="r", consistency="snapshot", datasets=(dataset,), files=()
    )
    found = evaluated(truncated=True, consistency="none", reference=reference)
    assert not any(one.passed for one in found.values())
    assert (
        found["schema_unchanged"].message
        == "detail.price is new; detail.vip is new; detail.old is gone; detail.id was int32 and is int64"
    )
    assert found["not_truncated"].message == "limit cut off rows of detail"
    for columns_fingerprint, words in (
        ("one", "the source table has changed, the entry asks for the same: "),
        ("two", "the entry asks for other columns"),
    ):
        found = evaluated(
            columns_fingerprint=columns_fingerprint,
            reference=reference.model_copy(update={"columns_fingerprint": "one"}),
        )
        assert found["schema_unchanged"].message.startswith(words)


def test_a_check_of_a_column_that_is_not_there_names_those_that_are(evaluated):
    with pytest.raises(
        CheckError,
        match=r"checks\.not_null: no dataset of t has the column ids\. There are detail: id, email, price, vip\.",
    ):
        evaluated({"not_null": ["ids"]})
