"""The window manifest, and a lock that is lost while it is written. On both stores."""

from pathlib import Path

import pytest

from aggregation_pipeline.errors import LockError, StorageBusyError, StorageDeniedError
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.window_manifest import newest_publication_since
from aggregation_pipeline_tests.storage.publishing import LostLock, Watched, everything, publish
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract

FOLDER = f"daily/orders/{WINDOW}"


@pytest.mark.parametrize("lost_at", [1, 2])
def test_a_lost_lock_stops_a_publication_before_the_first_file_and_before_the_window_manifest(
    watched: Watched, tmp_path: Path, lost_at: int
):
    old = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    before = everything(watched.store)
    lock = LostLock(lost_at)
    with pytest.raises(LockError):
        publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", lock=lock)
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == old
    assert lock.taken_again == 0
    new = {key: content for key, content in everything(watched.store).items() if before.get(key) != content}
    assert all(key.startswith((f"{FOLDER}/run-2/", f"daily/_extracts/orders/{WINDOW}/run-2/")) for key in new)
    assert (list(new) == [f"{FOLDER}/run-2/publication.json"]) == (lost_at == 1)


@pytest.mark.parametrize("lost_at", [3, 4])
@pytest.mark.parametrize("came", [True, False])
def test_who_finds_the_lock_lost_after_the_window_manifest_puts_a_newer_version_back_and_fails(
    watched: Watched, tmp_path: Path, lost_at: int, came: bool
):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    late, newer = sample_extract(tmp_path / "b", value=8), sample_extract(tmp_path / "c", value=9)

    def other_writer() -> None:
        if came:
            # The other version came before the late window manifest landed, which undid it.
            other = publish(watched, newer, tmp_path / "other", run="run-3")
            assert load_manifest(watched.store, "daily", "orders", WINDOW) == other
            mine = watched.store.read(manifest_key("daily", "orders", WINDOW, publication="run-2"))
            watched.store.put(manifest_key("daily", "orders", WINDOW), mine, media_type="application/json")

    with pytest.raises(LockError):
        publish(watched, late, tmp_path / "out", run="run-2", lock=LostLock(lost_at, other_writer))
    manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == ("run-3" if came else "run-2")
    for file in manifest.files:
        for folder in (WINDOW, "latest"):
            assert watched.store.read(f"daily/orders/{folder}/{file.name}") == watched.store.read(file.key)


def test_who_finds_the_version_of_another_in_force_leaves_the_window_manifest_alone(watched: Watched, tmp_path: Path):
    window_manifest = f"put {manifest_key('daily', 'orders', WINDOW)}"
    newer = sample_extract(tmp_path / "c", value=9)

    def other_writer() -> None:
        publish(watched, newer, tmp_path / "other", run="run-2")
        watched.done.clear()

    with pytest.raises(LockError):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", lock=LostLock(3, other_writer))
    manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == "run-2"
    assert window_manifest not in watched.done


@pytest.mark.parametrize(("lost_at", "expected"), [(100, StorageBusyError), (3, LockError)])
def test_a_window_manifest_that_could_not_be_sent_fails_the_run_and_a_lost_lock_is_the_greater_trouble(
    watched: Watched, tmp_path: Path, lost_at: int, expected: type[Exception]
):
    def refuse(verb: str, key: str) -> None:
        if (verb, key) == ("put", manifest_key("daily", "orders", WINDOW)):
            raise StorageBusyError("no answer")

    watched.before = refuse
    with pytest.raises(expected):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", lock=LostLock(lost_at))


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
