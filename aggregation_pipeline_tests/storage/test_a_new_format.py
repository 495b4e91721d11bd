"""A format that was registered a moment ago: nothing besides its description knows its ending, type or icon."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.keys import export_key
from aggregation_pipeline.assets.specs import table_specs
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.file_format import FileFormat, FileType, Writing
from aggregation_pipeline.formats.registry import FORMATS, render
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.keys import mark_key, window_key
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.publish import PublishedWindow, publish_window
from aggregation_pipeline.storage.retention import RetentionResult, apply_retention
from aggregation_pipeline.storage.stable_names import find_wrong_names, stable_names_of
from aggregation_pipeline_tests.storage.publishing import Watched
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract

DATASETS = ("summary", "detail")


def write_pipes(_extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, _options: FormatOptions) -> Writing:
    (dataset,) = datasets
    for batch in slices(dataset):
        yield
        file.writelines(("|".join(str(value) for value in row.values()) + "\n").encode() for row in batch.to_pylist())
    return {"pipes_as_they_are": 1}


PIPES = FileFormat("pipes", "markdown", (FileType(".psv", "text/x-pipes", one_file_per_dataset=True),), write_pipes)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "pipes", PIPES)


def publish(store: Any, tmp_path: Path, *, run: str = "one", window: str = WINDOW, value: int = 7) -> PublishedWindow:
    extract = sample_extract(tmp_path / "extract" / window, window=window, value=value)
    directory = tmp_path / "files" / run / window
    directory.mkdir(parents=True)
    return publish_window(store, "daily", extract, render("pipes", extract, directory, FormatOptions()), run_id=run)


def retain(store: ObjectStore, rule: RetentionRule, *, days: int = 0) -> RetentionResult:
    return apply_retention(
        store,
        "daily",
        [rule],
        now=datetime.now(UTC) + timedelta(days=days),
        keep_extracts=timedelta(days=1000),
        lock=lambda _table, _window: nullcontext(NoLock()),
        is_active=lambda _run: False,
        report=print,
        dry_run=False,
    )


def keys(store: ObjectStore) -> list[str]:
    return [stored.key for stored in store.list("daily/orders/")]


def test_its_files_are_published_typed_and_named(store: ObjectStore, tmp_path: Path):
    manifest = publish(store, tmp_path).manifest
    assert {(file.format, file.media_type, file.notes["pipes_as_they_are"]) for file in manifest.files} == {
        ("pipes", "text/x-pipes", 1)
    }
    names = {name: f"daily/orders/{WINDOW}/orders.{name}.psv" for name in DATASETS}
    assert {file.dataset: name for name, file in stable_names_of("daily", manifest, "copy").items()} == names
    assert store.read(names["summary"]) == b"0|7\n"
    assert store.read("daily/orders/latest/orders.detail.psv") == b"0|7\n1|7\n2|7\n"
    assert find_wrong_names(store, "daily", manifest, "copy") == {}
    store.delete(names["detail"])
    assert list(find_wrong_names(store, "daily", manifest, "copy")) == [names["detail"]]


def test_its_superseded_files_and_what_a_dead_run_left_of_it_go(watched: Watched, tmp_path: Path):
    publish(watched, tmp_path)
    publish(watched, tmp_path, run="two", value=8)

    def die(verb: str, key: str) -> None:
        if key.endswith("three/manifest.json"):
            raise KeyboardInterrupt

    watched.before = die
    with pytest.raises(KeyboardInterrupt):
        publish(watched, tmp_path, run="three", value=9)
    store = watched.store
    left = window_key("daily", "orders", WINDOW, "orders.detail.psv", publication="three")
    assert {left, mark_key("daily", "orders", WINDOW, "three")} <= set(keys(store))
    retain(store, RetentionRule("orders"), days=2)
    assert [key for key in keys(store) if "/one/" in key or "/three/" in key] == []
    assert store.read(f"daily/orders/{WINDOW}/orders.summary.psv") == b"0|8\n"


def test_a_window_of_it_that_expires_goes_whole(store: ObjectStore, tmp_path: Path):
    publish(store, tmp_path, window="2020-01-01")
    publish(store, tmp_path, run="two")
    retain(store, RetentionRule("orders", keep_last=1))
    assert [key for key in keys(store) if "2020-01-01" in key] == []
    assert f"daily/orders/{WINDOW}/orders.detail.psv" in keys(store)


def test_dagster_shows_its_asset_with_its_icon_and_its_file():
    entry = TableEntry.model_validate({"name": "orders", "group_by": ["id"]})
    job = ConfiguredTable(entry, ["pipes"], lambda: pytest.fail("the source is not asked"), "shop", ZoneInfo("UTC"))
    spec = next(spec for spec in table_specs(job) if spec.key == export_key("orders", "pipes"))
    assert spec.kinds == {"markdown"}
    assert "orders.summary.psv" in (spec.description or "")
