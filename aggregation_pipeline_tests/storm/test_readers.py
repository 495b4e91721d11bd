"""The readers of the storm notice each fault that a storm must never cause; here it is made by hand."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline_tests.storage.samples import WINDOW, render_csv, sample_extract
from aggregation_pipeline_tests.storm.bank import ACCOUNTS, BRANCHES, OPENING
from aggregation_pipeline_tests.storm.contradictions import contradictions
from aggregation_pipeline_tests.storm.readers import Readers


def of_one_moment() -> dict[str, list[dict[str, Any]]]:
    detail: list[dict[str, Any]] = [
        {"id": number, "branch": BRANCHES[number % 6], "balance": OPENING, "moves": 1}
        for number in range(1, ACCOUNTS + 1)
    ]
    summary = [
        {
            "branch": branch,
            "accounts": sum(row["branch"] == branch for row in detail),
            "balance": sum(row["balance"] for row in detail if row["branch"] == branch),
            "moves": sum(row["moves"] for row in detail if row["branch"] == branch),
            "entries": ACCOUNTS // 2,
            "seen": ACCOUNTS,
        }
        for branch in BRANCHES
    ]
    return {"summary": summary, "detail": detail}


@pytest.mark.parametrize(
    ("dataset", "column", "change"),
    [("detail", "balance", Decimal("0.01")), ("detail", "moves", 1), ("summary", "seen", 1), ("summary", "moves", 1)],
)
def test_data_of_two_moments_is_a_contradiction(dataset: str, column: str, change: Any):
    window = of_one_moment()
    assert contradictions("accounts", window) == []
    window[dataset][0][column] += change
    assert contradictions("accounts", window)


@pytest.mark.parametrize(
    ("planted", "kind"), [("name", "_by_name"), ("latest", "_by_name"), ("publication", "_by_manifest")]
)
def test_a_file_that_no_publication_has_is_noticed(tmp_path: Path, planted: str, kind: str):
    store = FolderStore(tmp_path / "exports")
    extract = sample_extract(tmp_path, table="moves", rows=300)
    publish_window(store, "", extract, render_csv(extract, tmp_path), run_id="one")
    readers = Readers(store)
    if kind == "_by_name":
        look(readers, kind)
        assert readers.wrong == []
    folder = {"name": WINDOW, "latest": "latest", "publication": f"{WINDOW}/one"}[planted]
    path = tmp_path / "exports" / "moves" / folder / "moves.detail.csv"
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    path.write_bytes(half)
    look(readers, kind)
    assert readers.wrong


def look(readers: Readers, kind: str) -> None:
    chance = random.Random(1)
    for _ in range(60):
        getattr(readers, kind)(chance)
