"""A file that lost or gained rows on its way through a format: nothing is published, and the check says so."""

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import CheckError
from aggregation_pipeline.export import rendering, window
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.formats import registry
from aggregation_pipeline.formats.common.file_format import RenderedFile
from aggregation_pipeline.source.mysql.kind import MySQLKind
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract

SILENT = SilentObserver()


def export(store: FolderStore, tmp_path: Path) -> ExportedWindow:
    entry = TableEntry.model_validate({"name": "orders", "group_by": ["id"], "select_fields": ["id"]})
    request = ReadRequest(entry, WINDOW, datetime(2026, 11, 20, tzinfo=UTC), ZoneInfo("UTC"))
    destination = Destination(store, "daily", "run", FormatOptions(), tmp_path / "temp", NoLock())
    return window.export_window(request, SourceOptions("shop"), ["json"], destination, cast("Any", SILENT))


def test_files_with_other_rows_than_were_read_are_not_published_and_the_check_on_them_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = FolderStore(tmp_path / "exports")
    render = registry.render_in_steps

    def render_other_rows(*given: Any) -> Generator[None, None, tuple[RenderedFile, ...]]:
        files = yield from render(*given)
        return tuple(replace(file, rows=9) for file in files)

    monkeypatch.setattr(MySQLKind, "read_extract", lambda *_: sample_extract(tmp_path / "extract"))
    monkeypatch.setattr(rendering, "render_in_steps", render_other_rows)
    with pytest.raises(CheckError, match="holds 9 rows where the extract has 4") as caught:
        export(store, tmp_path)
    assert [one.name for one in caught.value.check_results if not one.passed] == ["formats_reconciled"]
    assert load_manifest(store, "daily", "orders", WINDOW) is None


def test_an_extract_with_other_rows_than_were_read_is_not_published_though_nothing_else_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store, extract = FolderStore(tmp_path / "exports"), sample_extract(tmp_path / "extract")
    detail = extract.datasets[1]

    def render_and_cut(*_: object) -> Generator[None, None, tuple[RenderedFile, ...]]:
        pq.write_table(pq.read_table(detail.path).slice(1), detail.path)
        yield
        return ()

    monkeypatch.setattr(MySQLKind, "read_extract", lambda *_: extract)
    monkeypatch.setattr(rendering, "render_in_steps", render_and_cut)
    with pytest.raises(CheckError, match="the extract of detail holds 2 rows where 3 were read") as caught:
        export(store, tmp_path)
    assert [one.name for one in caught.value.check_results if not one.passed] == ["formats_reconciled"]
    assert load_manifest(store, "daily", "orders", WINDOW) is None
