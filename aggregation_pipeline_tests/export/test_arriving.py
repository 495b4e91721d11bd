"""Files that are rendered while the rows arrive are byte for byte those of the finished extract."""

import io
import itertools
import os
import sys
import threading
import time
import zipfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.export import rendering
from aggregation_pipeline.export.arriving import _MOST_WAITING, ArrivingExtract, GuessFailedError, StoppedError
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.registry import render, render_in_steps
from aggregation_pipeline_tests.formats.cases import all_types, column
from aggregation_pipeline_tests.support.waiting import until

OPTIONS = FormatOptions()
# How the renderers keep up with a group: they take it before the next one comes, they race with it, or they are late
# and are cut off.
Pace = Literal["waits", "races", "late"]
COUNT = column("row_count", pa.int64(), "BIGINT", [7])


def dataset_of(folder: Path, name: Literal["summary", "detail"], groups: Sequence[pa.Table]) -> Dataset:
    path, schema = folder / f"{name}.parquet", groups[0].schema
    with pq.ParquetWriter(path, schema) as writer:
        for group in groups:
            if group.num_rows:
                writer.write_table(group, row_group_size=group.num_rows)
    rows = sum(group.num_rows for group in groups)
    return Dataset(name, path, rows, schema, truncated=False, sql="SELECT", order="primary key (id)")


def extract_of(folder: Path, summary: Sequence[pa.Table], detail: Sequence[pa.Table]) -> Extract:
    datasets = dataset_of(folder, "summary", summary), dataset_of(folder, "detail", detail)
    return Extract("orders", "2026-11-20", datasets, "snapshot")


def groups_of(dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """Yield them as the reader has them: without what the fields say of their columns."""
    with pq.ParquetFile(dataset.path) as file:
        for number in range(file.num_row_groups):
            (batch,) = file.read_row_group(number).combine_chunks().to_batches()
            yield batch.replace_schema_metadata(None)


def read(extract: Extract, arriving: ArrivingExtract, paces: Iterator[Pace]) -> None:
    """Do what a reader does."""
    arriving.begin(replace(extract, datasets=()))
    for dataset in extract.datasets:
        arriving.begin_dataset(replace(dataset, rows=0))
        feeds = arriving._datasets[dataset.name].feeds
        for group in groups_of(dataset):
            pace = next(paces, "waits")
            if pace == "late":
                cut_off(arriving, group)
            else:
                arriving.add_group(group)
            deadline = time.monotonic() + 0.2
            while pace == "waits" and any(feed._waiting for feed in feeds) and time.monotonic() < deadline:
                time.sleep(0.0005)
        arriving.end_dataset(dataset)


def cut_off(arriving: ArrivingExtract, group: pa.RecordBatch) -> None:
    """Offer the group while no renderer can take it, and then so much else that it is too much."""
    for feed in arriving._current.feeds:
        with feed._changed:
            feed.offer(group)
            for _ in range(_MOST_WAITING):
                feed.offer(group.slice(0, 0))


def bytes_of(files: Sequence[Any]) -> dict[str, tuple[bytes, int, dict[str, int]]]:
    return {file.name: (file.path.read_bytes(), file.rows, dict(file.notes)) for file in files}


@contextmanager
def folders() -> Iterator[tuple[Path, Path, Path]]:
    with TemporaryDirectory() as name:
        made = tuple(Path(name, each) for each in ("extract", "stored", "live"))
        for each in made:
            each.mkdir()
        yield made[0], made[1], made[2]


def differing_members(one: bytes, other: bytes) -> list[tuple[str, bytes, bytes]]:
    """Return the members of two workbooks that differ; members that differ only as they are deflated are equal here."""
    if not one.startswith(b"PK"):
        return []
    with zipfile.ZipFile(io.BytesIO(one)) as left, zipfile.ZipFile(io.BytesIO(other)) as right:
        pairs = [(name, left.read(name), right.read(name)) for name in left.namelist()]
    return [pair for pair in pairs if pair[1] != pair[2]]


def assert_same_bytes(extract: Extract, stored: Path, live: Path, paces: Sequence[Pace]) -> None:
    names = [dataset.name for dataset in extract.datasets]
    with rendering.rendering(names, FORMAT_NAMES, OPTIONS, live) as renderers:
        read(extract, renderers.arriving, iter(paces))
        arrived = bytes_of(renderers.files(extract, SilentObserver()))
    expected: dict[str, tuple[bytes, int, dict[str, int]]] = {}
    for name in FORMAT_NAMES:
        (stored / name).mkdir()
        expected |= bytes_of(render(name, extract, stored / name, OPTIONS))
    assert arrived.keys() == expected.keys()
    for name, found in expected.items():
        assert arrived[name] == found, (name, differing_members(arrived[name][0], found[0]))


_INTEGERS = st.one_of(st.none(), st.integers(-9, 9), st.sampled_from([2**53 - 1, 2**53, -(2**63), 10**15]))
_TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from(["", '"', "=1+1"]))
_WIDE = st.one_of(st.none(), st.integers(-9, 9), st.just(10**40))
_ROWS = st.lists(st.tuples(_INTEGERS, _TEXTS, _WIDE), max_size=12)


def as_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    big, text, wide = zip(*rows, strict=True) if rows else ((), (), ())
    schema = pa.schema(
        [
            pa.field("big", pa.int64(), metadata={"mysql_type": "BIGINT"}),
            pa.field("text", pa.string(), metadata={"mysql_type": "TEXT"}),
            pa.field("wide", pa.decimal256(41, 0), metadata={"mysql_type": "DECIMAL(41,0)"}),
        ]
    )
    arrays = [pa.array(big, pa.int64()), pa.array(text, pa.string()), pa.array(wide, pa.decimal256(41, 0))]
    return pa.Table.from_arrays(arrays, schema=schema)


@settings(max_examples=12)
@given(
    summary=st.lists(_ROWS, min_size=1, max_size=2),
    detail=st.lists(_ROWS, min_size=1, max_size=4),
    paces=st.lists(st.sampled_from(["waits", "races", "late"])),
)
def test_any_rows_in_any_groups_at_any_pace_give_the_same_bytes(
    summary: list[list[Any]], detail: list[list[Any]], paces: list[Pace]
):
    with folders() as (extracts, stored, live):
        extract = extract_of(extracts, list(map(as_table, summary)), list(map(as_table, detail)))
        assert_same_bytes(extract, stored, live, paces)


def render_after_taking(name: str, extract: Extract, counts: Sequence[int], folder: Path) -> Sequence[Any]:
    """Render in one thread what a renderer sees that takes so many groups of each dataset while they are read."""
    arriving = ArrivingExtract([dataset.name for dataset in extract.datasets])
    live = arriving.for_renderer(live=True)
    for dataset, count in zip(extract.datasets, counts, strict=True):
        (feed,) = arriving._datasets[dataset.name].feeds
        groups = [pa.RecordBatch.from_arrays(group.columns, schema=dataset.schema) for group in groups_of(dataset)]
        feed.take = itertools.chain(groups[:count], itertools.repeat(None)).__next__  # type: ignore[method-assign]
    arriving.finish(extract)
    folder.mkdir()
    try:
        return render(name, live(), folder, OPTIONS)
    except GuessFailedError:
        return render(name, arriving.for_renderer(live=False)(), folder, OPTIONS)


@pytest.mark.parametrize("name", FORMAT_NAMES)
@pytest.mark.parametrize(
    "detail",
    [
        [all_types().slice(start, 10) for start in (0, 10, 20)],
        [as_table([(1, "a", 1)]), as_table([(None, "b", 2)]), as_table([(2**60, None, 10**40)])],
    ],
    ids=["all types", "guesses that fail"],
)
def test_however_many_groups_are_taken_while_they_are_read_the_bytes_are_the_same(
    name: str, detail: list[pa.Table], tmp_path: Path
):
    extract = extract_of(tmp_path, [COUNT], detail)
    (tmp_path / "stored").mkdir()
    stored = bytes_of(render(name, extract, tmp_path / "stored", OPTIONS))
    for counts in itertools.product(range(2), range(len(detail) + 1)):
        found = bytes_of(render_after_taking(name, extract, counts, tmp_path / str(counts)))
        assert found == stored, counts


@pytest.mark.parametrize("late", range(4))
def test_a_renderer_that_is_cut_off_at_any_group_takes_the_rest_from_the_extract(late: int):
    table = all_types()
    groups = [table.slice(start, 10) for start in range(0, table.num_rows, 10)]
    early: list[Pace] = ["waits"] * (1 + late)
    with folders() as (extracts, stored, live):
        assert_same_bytes(extract_of(extracts, [COUNT], groups), stored, live, [*early, "late"])


@pytest.mark.parametrize("name", ["json", "excel", "parquet"])
def test_a_guess_that_the_last_group_proves_wrong_is_rendered_anew(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    passes: list[object] = []

    def counted(*given: Any) -> Generator[None, None, Any]:
        try:
            return (yield from render_in_steps(*given))
        except GuessFailedError as error:
            passes.append(error)
            raise

    monkeypatch.setattr(rendering, "render_in_steps", counted)
    groups = [as_table([(1, "a", 1)]), as_table([(2, "b", 2)]), as_table([(2**60, "c", 10**40)])]
    extract = extract_of(tmp_path, [COUNT], groups)
    with rendering.rendering(["summary", "detail"], [name], OPTIONS, tmp_path) as renderers:
        read(extract, renderers.arriving, iter(()))
        files = renderers.files(extract, SilentObserver())
    assert len(passes) == 1
    (tmp_path / "stored").mkdir()
    assert bytes_of(files) == bytes_of(render(name, extract, tmp_path / "stored", OPTIONS))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread a priority of its own")
def test_rendering_has_a_low_priority_only_while_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found: list[int] = []

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    def watched(_name: str, extract: Extract, *_: object) -> Generator[None, None, tuple[()]]:
        (dataset,) = extract.datasets
        for _batch in dataset.batches():
            yield
            found.append(priority())
        yield
        found.append(priority())
        return ()

    monkeypatch.setattr(rendering, "render_in_steps", watched)
    extract = Extract("orders", "2026-11-20", (dataset_of(tmp_path, "detail", [COUNT]),), "snapshot")
    with rendering.rendering(["detail"], ["csv"], OPTIONS, tmp_path) as renderers:
        renderers.arriving.begin(extract)
        renderers.arriving.begin_dataset(extract.datasets[0])
        (group,) = groups_of(extract.datasets[0])
        renderers.arriving.add_group(group)
        until("the first rows are rendered", lambda: found)
        renderers.files(extract, SilentObserver())
    assert found == [min(19, priority() + 10), priority()]


def test_a_renderer_that_never_takes_a_group_delays_nobody():
    arriving = ArrivingExtract(["detail"])
    arriving.for_renderer(live=True)
    with folders() as (extracts, _, _):
        extract = Extract("t", "w", (dataset_of(extracts, "detail", [COUNT] * 9),), "snapshot")
        reader = threading.Thread(target=read, args=(extract, arriving, iter(["races"] * 9)), daemon=True)
        reader.start()
        reader.join(30)
    assert not reader.is_alive()
    # It holds on to no group either.
    assert [list(feed._waiting) for feed in arriving._datasets["detail"].feeds] == [[]]


def test_who_waits_for_rows_that_never_come_is_told_so():
    arriving = ArrivingExtract(["detail"])
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(arriving.for_renderer(live=True))
        arriving.begin(Extract("t", "w", (), "snapshot"))
        (dataset,) = begun.result().datasets
        rows, count = pool.submit(lambda: list(dataset.batches())), pool.submit(lambda: dataset.rows)
        arriving.stop()
        assert (type(rows.exception()), type(count.exception())) == (StoppedError, StoppedError)


def test_files_are_discarded_and_threads_end_if_the_block_is_left_early(tmp_path: Path):
    groups = [as_table([(1, "a" * 1000, 1)] * 1000)] * 3
    extract = extract_of(tmp_path, [COUNT], groups)
    before = threading.active_count()

    def interrupted() -> None:
        with rendering.rendering(["summary", "detail"], FORMAT_NAMES, OPTIONS, tmp_path) as renderers:
            arriving = renderers.arriving
            arriving.begin(extract)
            for dataset in extract.datasets:
                arriving.begin_dataset(dataset)
                for group in groups_of(dataset):
                    arriving.add_group(group)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threading.active_count() == before
    assert [path for name in FORMAT_NAMES for path in (tmp_path / name).rglob("*")] == []
