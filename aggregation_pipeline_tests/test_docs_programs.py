"""The programs that docs/files.md gives to readers of the files do what the page says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dagster import AssetKey, AssetsDefinition

from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline_tests.storage.samples import render_csv, render_json, sample_extract
from aggregation_pipeline_tests.support.markdown import code_blocks, read
from aggregation_pipeline_tests.support.paths import REPOSITORY

PAGES = ["files.md", "files.zh-CN.md"]


def executed(page: str, containing: str) -> Mapping[str, Any]:
    """The names that a block of a page leaves behind."""
    blocks = [code for language, code in code_blocks(read(REPOSITORY / "docs" / page)) if language == "python"]
    (block,) = [code for code in blocks if containing in code]
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own page
    return names


@pytest.mark.parametrize("page", PAGES)
def test_the_program_that_goes_by_the_manifest_finds_every_file(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    extract = sample_extract(tmp_path / "extract")
    files = [render_json(extract, tmp_path), *render_csv(extract, tmp_path)]
    publish_window(FolderStore(tmp_path / "exports"), "", extract, files, run_id="run-1")
    monkeypatch.chdir(tmp_path)
    executed(page, "latest.json")
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == 3
    for path, _, size, _ in printed:
        assert Path(path).stat().st_size == int(size)


@pytest.mark.parametrize("page", PAGES)
def test_the_asset_of_ones_own_reads_the_summary_of_orders(page: str):
    revenue_by_day = executed(page, "@asset(")["revenue_by_day"]
    assert isinstance(revenue_by_day, AssetsDefinition)
    assert set(revenue_by_day.keys_by_input_name.values()) == {AssetKey(["aggregation", "orders"])}
    orders = pd.DataFrame({"day": ["2026-11-20"] * 2, "status": ["paid", "open"], "revenue": [2, 3]})
    revenue = revenue_by_day(orders)
    assert isinstance(revenue, pd.DataFrame)
    assert revenue["revenue"].tolist() == [5]
