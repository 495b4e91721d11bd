"""Publishing: whoever goes by the manifest sees one window whole, and nothing is sent that stands there already. On
both stores.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError, LockError, StorageBusyError, StorageDeniedError, StorageError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.registry import RenderedFile, render
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key, window_key
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import fetch_extract, fetch_window, load_manifest
from aggregation_pipeline.storage.window_manifest import newest_publication_since
from aggregation_pipeline_tests.storage.publishing import LostLock, Watched, publish
from aggregation_pipeline_tests.storage.samples import WINDOW, render_csv, render_json, sample_extract
from aggregation_pipeline_tests.support.servers.oss import OssServer

FOLDER = f"daily/orders/{WINDOW}"


def keys_below(store: ObjectStore, prefix: str) -> list[str]:
    return [stored.key.removeprefix(prefix) for stored in store.list(prefix)]


def everything(store: ObjectStore) -> dict[str, bytes]:
    return {stored.key: store.read(stored.key) for stored in store.list("")}


def test_a_window_is_published_whole_with_a_manifest_that_says_where_it_comes_from(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract", rows=3)
    manifest = publish(watched, extract, tmp_path / "out", run="run-1", notes=["a note"])
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == manifest
    assert [file.name for file in manifest.files] == ["orders.detail.csv", "orders.json", "orders.summary.csv"]
    assert [(file.format, file.dataset, file.rows) for file in manifest.files] == [
        ("csv", "detail", 3),
        ("json", "all", 4),
        ("csv", "summary", 1),
    ]
    assert manifest.rows == 4
    assert (manifest.version, manifest.run_id, manifest.publication) == (1, "run-1", "run-1")
    assert (manifest.consistency, manifest.notes) == ("snapshot", ("a note",))
    detail = manifest.datasets[1]
    assert (detail.sql, detail.order, detail.truncated) == ("SELECT detail", "primary key (id)", False)
    assert [(column.name, column.type) for column in detail.columns] == [("id", "int64"), ("value", "int64")]
    for file in manifest.files:
        head = watched.store.head(file.key)
        assert head is not None
        assert (head.bytes, head.crc64) == (file.bytes, file.crc64)
        assert file.key == f"{FOLDER}/run-1/{file.name}"
    assert {dataset.extract.key for dataset in manifest.datasets} == {
        f"daily/_extracts/orders/{WINDOW}/run-1/{name}.parquet" for name in ("summary", "detail")
    }


def test_the_manifest_says_all_that_is_known_of_the_data(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    detail = replace(extract.datasets[1], truncated=True, zero_dates={"born": 2}, masks={"phone": "hash"})
    extract = replace(
        extract, datasets=(extract.datasets[0], detail), consistency="none", engines="MyISAM", columns_asked="abc"
    )
    files = [replace(file, notes={"cut": 3}) for file in render_csv(extract, tmp_path)]
    check = ManifestCheck(name="enough", passed=True, severity="error", words="3 rows")
    publish_window(store, "daily", extract, files, run_id="run-1", notes=["a note"], checks=[check])
    manifest = load_manifest(store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert (manifest.consistency, manifest.engines, manifest.columns_asked) == ("none", "MyISAM", "abc")
    mark = json.loads(store.read(f"{FOLDER}/run-1/publication.json"))
    names = ["orders.detail.csv", "orders.summary.csv"]
    assert mark == {
        "version": 1,
        "table": "orders",
        "window": WINDOW,
        "publication": "run-1",
        "run_id": "run-1",
        "files": names,
    }
    assert (manifest.notes, manifest.checks) == (("a note",), (check,))
    said = manifest.datasets[1]
    assert (said.truncated, said.zero_dates, said.masks) == (True, {"born": 2}, {"phone": "hash"})
    assert [(file.media_type, file.notes) for file in manifest.files] == [("text/csv", {"cut": 3})] * 2
    # And again, where one thing that is said of the same data has changed.
    changed = publish_window(
        store, "daily", replace(extract, engines="InnoDB"), files, run_id="run-2", notes=["a note"], checks=[check]
    )
    assert (changed.manifest.run_id, changed.manifest.engines) == ("run-2", "InnoDB")


@pytest.mark.parametrize("window", ["latest", "2026-11", "../orders"])
def test_what_is_no_window_is_not_published(watched: Watched, tmp_path: Path, window: str):
    with pytest.raises(StorageError, match=r"is no window\. Windows are called 2026-11-20"):
        publish(watched, sample_extract(tmp_path / "extract", window=window), tmp_path / "out", run="run-1")
    assert everything(watched.store) == {}


def test_what_is_sent_and_what_is_left_alone_is_told_file_by_file(store: ObjectStore, tmp_path: Path):
    told: list[str] = []
    for run in ("run-1", "run-2"):
        publish(store, sample_extract(tmp_path / "extract"), tmp_path / "out", run=run, report=told.append)
        if run == "run-1":
            sent = {line.split()[1] for line in told if line.startswith("sent ")}
            assert len(sent) == 5
            assert all(line.endswith(" bytes)") for line in told if line.startswith("sent "))
            told.clear()
    assert {line.split()[1] for line in told if line.startswith("unchanged ")} == sent
    assert not any(line.startswith("sent ") for line in told)


def test_the_switch_is_written_after_all_that_it_names_and_before_any_stable_name(watched: Watched, tmp_path: Path):
    publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1")
    done = watched.done
    assert done[0] == f"put {FOLDER}/run-1/publication.json"
    own, switch = done.index(f"put {FOLDER}/run-1/manifest.json"), done.index(f"put {FOLDER}/manifest.json")
    files = [
        step
        for step in done
        if step.startswith("put ") and step.endswith((".csv", ".json", ".parquet")) and "/run-1/orders" in step
    ]
    extracts = [step for step in done if "/_extracts/" in step]
    assert (len(files), len(extracts)) == (3, 2)
    assert max(done.index(step) for step in [*files, *extracts]) < own < switch
    names = [step for step in done if step.startswith("name ")]
    assert {step.removeprefix("name daily/orders/") for step in names} == {
        f"{where}/orders.{ending}" for where in (WINDOW, "latest") for ending in ("json", "summary.csv", "detail.csv")
    }
    assert switch < min(done.index(step) for step in names)
    assert done[-1] == "put daily/orders/latest.json"


def test_a_rerun_with_the_same_data_sends_nothing(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1")
    watched.done.clear()
    said: list[str] = []
    again = publish(watched, sample_extract(tmp_path / "extract2"), tmp_path / "out2", run="run-2", report=said.append)
    assert watched.done == []
    assert again == first
    assert sum(line.startswith("unchanged ") for line in said) == 5


def test_what_a_check_said_of_the_same_data_when_it_was_published_stands(watched: Watched, tmp_path: Path):
    told = [ManifestCheck(name="schema_unchanged", passed=False, severity="warn", words="detail.value is new")]
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", checks=told)
    told = [
        ManifestCheck(
            name="schema_unchanged", passed=True, severity="warn", words="Columns are those of the last time."
        )
    ]
    watched.done.clear()
    assert publish(watched, sample_extract(tmp_path / "b"), tmp_path / "out", run="run-2", checks=told) == first
    assert watched.done == []


def test_changed_data_goes_into_a_folder_of_its_own_and_the_former_version_stays_whole(
    watched: Watched, tmp_path: Path
):
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    before = everything(watched.store)
    watched.done.clear()
    second = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    assert {file.key.split("/")[3] for file in second.files} == {"run-2"}
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == second
    assert not [step for step in watched.done if step.startswith("delete")]
    after = everything(watched.store)
    changed = {key for key, content in before.items() if after.get(key) != content}
    assert {key.removeprefix("daily/orders/") for key in changed} == {
        f"{WINDOW}/manifest.json",
        *(
            f"{where}/orders.{ending}"
            for where in (WINDOW, "latest")
            for ending in ("json", "summary.csv", "detail.csv")
        ),
    }
    fetch_window(watched.store, first, tmp_path / "first")
    assert fetch_extract(watched.store, first, tmp_path / "first extract").datasets[1].rows == 3
    assert load_manifest(watched.store, "daily", "orders", WINDOW, publication="run-1") == first


def test_an_equal_file_is_named_where_it_lies(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "a", rows=3), tmp_path / "out", run="run-1")
    # One row more of detail: the summary is the same.
    second = publish(watched, sample_extract(tmp_path / "b", rows=4), tmp_path / "out", run="run-2")
    assert {file.name: file.key.split("/")[3] for file in second.files} == {
        "orders.detail.csv": "run-2",
        "orders.json": "run-2",
        "orders.summary.csv": "run-1",
    }
    assert [dataset.extract.key.split("/")[4] for dataset in second.datasets] == ["run-1", "run-2"]
    third = publish(watched, sample_extract(tmp_path / "a2", rows=3), tmp_path / "out", run="run-3")
    # Only what is in force is looked at: the former version may go at any moment.
    assert {file.name: file.key.split("/")[3] for file in third.files} == {
        "orders.detail.csv": "run-3",
        "orders.json": "run-3",
        "orders.summary.csv": "run-1",
    }
    for manifest in (first, second, third):
        fetch_window(watched.store, manifest, tmp_path / manifest.run_id)


@pytest.mark.parametrize("partial", [False, True])
def test_formats_that_were_not_asked_for_are_carried_over_where_the_data_is_the_same(
    watched: Watched, tmp_path: Path, partial: bool
):
    publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1", formats="json")
    old = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert old is not None
    extract = fetch_extract(watched.store, old, tmp_path / "fetched")
    # Whoever does not say that formats are missing has rendered them all.
    how = {"partial": True} if partial else {}
    manifest = publish(watched, extract, tmp_path / "out", run="run-2", formats="csv", **how)
    kept = ["orders.json"] if partial else []
    assert sorted(file.name for file in manifest.files) == sorted(["orders.detail.csv", "orders.summary.csv", *kept])
    assert [file.key for file in manifest.files if file.format == "json"] == [f"{FOLDER}/run-1/{name}" for name in kept]
    assert manifest.datasets == old.datasets
    names = [key for key in keys_below(watched.store, f"{FOLDER}/") if "/" not in key]
    assert names == sorted([*kept, "manifest.json", "orders.detail.csv", "orders.summary.csv"])
    fetch_window(watched.store, old, tmp_path / "old")


def test_asking_for_one_format_of_other_data_does_not_mix_it_with_the_old_files(store: ObjectStore, tmp_path: Path):
    publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    manifest = publish(
        store, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", formats="csv", partial=True
    )
    assert [file.name for file in manifest.files] == ["orders.detail.csv", "orders.summary.csv"]
    assert store.head(window_key("daily", "orders", WINDOW, "orders.json")) is None


@pytest.mark.parametrize("formats", ["json csv", "csv"])
def test_a_file_that_somebody_changed_is_not_named_again(store: ObjectStore, tmp_path: Path, formats: str):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.put(
        window_key("daily", "orders", WINDOW, "orders.json", publication="run-1"),
        b"edited by hand",
        media_type="text/plain",
    )
    manifest = publish(store, extract, tmp_path / "out", run="run-2", formats=formats, partial=True)
    assert [file.key for file in manifest.files if file.format == "json"] == (
        [f"{FOLDER}/run-2/orders.json"] if "json" in formats else []
    )
    assert {file.key.split("/")[3] for file in manifest.files if file.format == "csv"} == {"run-1"}


def test_an_extract_that_has_expired_is_stored_again_under_another_key(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    for dataset in first.datasets:
        watched.store.delete(dataset.extract.key)
    watched.done.clear()
    second = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-2")
    assert second.files == first.files
    assert {dataset.extract.key.split("/")[4] for dataset in second.datasets} == {"run-2"}
    assert not [step for step in watched.done if "/orders/" in step and "/orders." in step]
    fetch_extract(watched.store, second, tmp_path / "fetched")


def test_a_publication_costs_no_more_requests_than_it_needs(oss_server: OssServer, tmp_path: Path):
    store = OssStore(oss_server.options())
    counted = {}
    for run, value in (("first", 1), ("same", 1), ("changed", 2)):
        oss_server.requests.clear()
        publish(store, sample_extract(tmp_path / run, value=value), tmp_path / "out", run=run)
        counted[run] = len(oss_server.requests)
    # 3 files, 2 extracts, the mark, 2 manifests, latest.json; 6 names, each set and looked at before and after; 4 to
    # know what is there.
    assert counted == {"first": 31, "same": 15, "changed": 30}


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_a_format_that_lost_or_gained_rows_publishes_nothing(watched: Watched, tmp_path: Path, rows: int):
    extract = sample_extract(tmp_path / "extract", rows=3)
    wrong = render_json(extract, tmp_path, rows=rows)
    with pytest.raises(
        FormatError,
        match=rf"Table 'orders', window 2026-11-20.*orders.json \(json\) holds {rows} rows where the extract has 4",
    ):
        publish_window(watched, "daily", extract, [wrong], run_id="run-1")
    assert watched.done == []


def test_a_file_that_changed_after_rendering_or_was_rendered_twice_publishes_nothing(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    file = render_json(extract, tmp_path)
    with pytest.raises(FormatError, match=r"orders.json was rendered twice"):
        publish_window(watched, "daily", extract, [file, file], run_id="run-1")
    with pytest.raises(FormatError, match=r"bytes on disk where 1 were rendered"):
        publish_window(watched, "daily", extract, [replace(file, bytes=1)], run_id="run-1")
    with pytest.raises(FormatError, match="dataset detail, which the extract does not have"):
        publish_window(
            watched,
            "daily",
            replace(extract, datasets=extract.datasets[:1]),
            render_csv(extract, tmp_path)[1:],
            run_id="run-1",
        )
    assert watched.done == []


def test_each_attempt_of_a_run_has_a_folder_of_its_own_also_where_the_first_has_sent_nothing_but_its_mark(
    watched: Watched, tmp_path: Path
):
    failing = iter(range(1))

    def break_off(verb: str, key: str) -> None:
        if key.endswith("orders.json") and next(failing, None) is not None:
            raise StorageBusyError("the store is out of order")

    watched.before = break_off
    with pytest.raises(StorageBusyError):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    assert keys_below(watched.store, f"{FOLDER}/") == ["run-1/publication.json"]
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    assert (first.run_id, first.publication) == ("run-1", "run-1.2")
    third = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-1", formats="json")
    assert third.publication == "run-1.3"
    assert {file.key.split("/")[3] for file in (*first.files, *third.files)} == {"run-1.2", "run-1.3"}
    assert (
        publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-1", formats="json")
        == third
    )


class Killed(BaseException):
    """Stands for the process ending: nothing may run after it. (Real kills are in test_kill.py.)"""


def test_wherever_a_run_dies_the_window_is_the_old_one_or_the_new_one_and_the_next_run_heals(
    watched: Watched, tmp_path: Path
):
    def publish_value(value: int, run: str) -> Manifest:
        return publish(
            watched, sample_extract(tmp_path / "extract", value=value), tmp_path / "out", run=run, formats="json"
        )

    def values(manifest: Manifest) -> set[int]:
        (path,) = fetch_window(watched.store, manifest, tmp_path / "read")
        return {row["value"] for part in json.loads(path.read_text()).values() for row in part}

    publish_value(0, "run-0")
    seen: list[int] = []
    for dying in range(1, 9):  # mark, file, 2 extracts, manifest, switch, name, name in latest
        left = iter(range(dying - 1))

        def die(_verb: str, _key: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        watched.before = die
        with pytest.raises(Killed):
            publish_value(dying, f"run-{dying}")
        watched.before = lambda _verb, _key: None
        manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
        assert manifest is not None
        assert len(values(manifest)) == 1
        seen += values(manifest)
        healed = publish_value(dying, f"healing-{dying}")
        assert values(healed) == {dying}
        for file in healed.files:
            assert watched.store.read(window_key("daily", "orders", WINDOW, file.name)) == watched.store.read(file.key)
    assert seen == [0, 1, 2, 3, 4, 5, 7, 8]
    watched.done.clear()
    publish_value(9, "run-9")
    assert len(watched.done) == 8, "there are no other places to die at"


def renamed(folder: Path, extract: Extract, template: str) -> list[RenderedFile]:
    folder.mkdir(parents=True)
    options = FormatOptions(file_names=template)
    return [file for name in ("csv", "json") for file in render(name, extract, folder, options)]


@pytest.mark.parametrize("partial", [False, True])
def test_a_window_that_is_published_under_other_names_loses_the_old_names(
    store: ObjectStore, tmp_path: Path, partial: bool
):
    extract = sample_extract(tmp_path / "extract")
    publish_window(store, "daily", extract, renamed(tmp_path / "a", extract, "{table}.{dataset}"), run_id="run-1")
    files = renamed(tmp_path / "b", extract, "{date}-{dataset}")
    manifest = publish_window(
        store, "daily", extract, files[:2] if partial else files, run_id="run-2", partial=partial
    ).manifest
    names = ["20261120-detail.csv", "20261120-summary.csv", "orders.json" if partial else "20261120.json"]
    assert sorted(file.name for file in manifest.files) == sorted(names)
    assert [key for key in keys_below(store, f"{FOLDER}/") if "/" not in key] == sorted([*names, "manifest.json"])
    assert keys_below(store, "daily/orders/latest/") == sorted(names)
    fetch_window(store, manifest, tmp_path / "fetched")


@pytest.mark.parametrize("asked", [1, 2])
def test_a_lost_lock_stops_a_publication_before_the_first_file_and_before_the_switch(
    watched: Watched, tmp_path: Path, asked: int
):
    old = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    before = everything(watched.store)
    lock = LostLock(asked)
    with pytest.raises(LockError):
        publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", lock=lock)
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == old
    assert lock.taken_again == 0
    new = {key: content for key, content in everything(watched.store).items() if before.get(key) != content}
    assert all(key.startswith((f"{FOLDER}/run-2/", f"daily/_extracts/orders/{WINDOW}/run-2/")) for key in new)
    assert (list(new) == [f"{FOLDER}/run-2/publication.json"]) == (asked == 1)


@pytest.mark.parametrize("asked", [3, 4])
@pytest.mark.parametrize("came", [True, False])
def test_who_finds_the_lock_lost_after_the_switch_puts_a_newer_version_back_and_fails(
    watched: Watched, tmp_path: Path, asked: int, came: bool
):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    late, newer = sample_extract(tmp_path / "b", value=8), sample_extract(tmp_path / "c", value=9)

    def other_writer() -> None:
        if came:
            # It was there before the late switch landed: its own switch is what is undone here.
            other = publish(watched, newer, tmp_path / "other", run="run-3")
            assert load_manifest(watched.store, "daily", "orders", WINDOW) == other
            mine = watched.store.read(manifest_key("daily", "orders", WINDOW, publication="run-2"))
            watched.store.put(manifest_key("daily", "orders", WINDOW), mine, media_type="application/json")

    with pytest.raises(LockError):
        publish(watched, late, tmp_path / "out", run="run-2", lock=LostLock(asked, other_writer))
    manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == ("run-3" if came else "run-2")
    for file in manifest.files:
        for folder in (WINDOW, "latest"):
            assert watched.store.read(f"daily/orders/{folder}/{file.name}") == watched.store.read(file.key)


def test_who_finds_the_version_of_another_in_force_leaves_the_switch_alone(watched: Watched, tmp_path: Path):
    switch = f"put {manifest_key('daily', 'orders', WINDOW)}"
    newer = sample_extract(tmp_path / "c", value=9)

    def other_writer() -> None:
        publish(watched, newer, tmp_path / "other", run="run-2")
        watched.done.clear()

    with pytest.raises(LockError):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", lock=LostLock(3, other_writer))
    manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == "run-2"
    assert switch not in watched.done


@pytest.mark.parametrize(("asked", "expected"), [(100, StorageBusyError), (3, LockError)])
def test_a_switch_that_could_not_be_sent_fails_the_run_and_a_lost_lock_is_the_greater_trouble(
    watched: Watched, tmp_path: Path, asked: int, expected: type[Exception]
):
    def refuse(verb: str, key: str) -> None:
        if (verb, key) == ("put", manifest_key("daily", "orders", WINDOW)):
            raise StorageBusyError("no answer")

    watched.before = refuse
    with pytest.raises(expected):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", lock=LostLock(asked))


def test_the_newest_whole_version_is_the_one_to_put_back(tmp_path: Path):
    store = FolderStore(tmp_path / "exports")
    for value, run in enumerate(["run-2", "run-1", "run-3"]):
        publish(store, sample_extract(tmp_path / run, value=value), tmp_path / "out", run=run)
    newest = newest_publication_since(store, "daily", "orders", WINDOW, {"run-2"})
    assert newest is not None
    assert newest.publication == "run-3"
    store.put(manifest_key("daily", "orders", WINDOW, publication="run-3"), b"{", media_type="application/json")
    whole = newest_publication_since(store, "daily", "orders", WINDOW, {"run-2"})
    assert whole is not None
    assert whole.publication == "run-1"


def test_who_finds_no_version_in_force_any_more_makes_none_up(watched: Watched, tmp_path: Path):
    def removed() -> None:
        watched.store.delete(manifest_key("daily", "orders", WINDOW))

    with pytest.raises(LockError):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", lock=LostLock(3, removed))
    assert load_manifest(watched.store, "daily", "orders", WINDOW) is None


def test_a_manifest_that_may_not_be_read_stays_and_fails_the_run(watched: Watched, tmp_path: Path):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    before = everything(watched.store)

    class Closed:
        def __getattr__(self, name: str) -> object:
            return getattr(watched, name)

        def read(self, key: str) -> bytes:
            if key == manifest_key("daily", "orders", WINDOW):
                raise StorageDeniedError("the key may not read it")
            return watched.store.read(key)

    with pytest.raises(StorageDeniedError):
        publish(Closed(), sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    assert everything(watched.store) == before
