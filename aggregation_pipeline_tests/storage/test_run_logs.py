"""Logs of runs in a store: they lie apart from all tables, and expire by age alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import table_folder
from aggregation_pipeline.storage.run_logs import RunLogs
from aggregation_pipeline_tests.storage.retaining import ORDERS, keys, swept

CAPTURE = ["0f0f", "compute_logs", "abc"]
NAMES = [f"daily/_logs/0f0f/compute_logs/abc{ending}" for ending in (".err", ".err.partial", ".out")]


@pytest.fixture
def logs(store: ObjectStore) -> RunLogs:
    logs = RunLogs(store, "daily")
    for key in (logs.key(CAPTURE, "out"), logs.key(CAPTURE, "err"), logs.key(CAPTURE, "err", partial=True)):
        logs.save(key, "行\n".encode())
    return logs


def test_what_is_saved_is_fetched(logs: RunLogs, tmp_path: Path):
    assert logs.fetch(logs.key(CAPTURE, "out"), tmp_path / "new" / "folder" / "log")
    assert (tmp_path / "new" / "folder" / "log").read_text(encoding="utf-8") == "行\n"
    assert not logs.fetch(logs.key(["other"], "out"), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_logs_expire_by_age_and_what_others_put_there_stays(store: ObjectStore, logs: RunLogs):
    store.put("daily/_logs/notes.txt", b"hands off", media_type="text/plain")
    now = datetime.now(UTC)
    assert logs.delete_written_before(now - timedelta(days=1)) == ()
    later = now + timedelta(days=1)
    assert sorted(logs.delete_written_before(later, dry_run=True)) == NAMES
    assert keys(store) == [*NAMES, "daily/_logs/notes.txt"]
    assert sorted(logs.delete_written_before(later)) == NAMES
    assert keys(store) == ["daily/_logs/notes.txt"]


def test_the_retention_of_tables_leaves_them_alone(store: ObjectStore, logs: RunLogs):
    swept(store, ORDERS)
    assert keys(store) == NAMES


def test_all_logs_of_a_run_go_with_it_and_no_others(store: ObjectStore, logs: RunLogs):
    logs.save(logs.key(["0f0f2", "compute_logs", "abc"], "out"), b"")
    logs.delete_below(["0f0f"])
    assert keys(store) == ["daily/_logs/0f0f2/compute_logs/abc.out"]


def test_a_table_of_the_same_name_lies_elsewhere():
    assert table_folder("daily", "_logs") == "daily/%5Flogs/"


@pytest.mark.parametrize("parts", [[], ["..", "x"], ["a", ".."], [""], ["a\0"]])
def test_parts_that_would_lead_elsewhere_are_refused(store: ObjectStore, parts: list[str]):
    with pytest.raises(StorageError):
        RunLogs(store, "daily").key(parts, "out")
    assert RunLogs(store, "daily").key(["a/b", "c"], "out") == "daily/_logs/a%2Fb/c.out"
