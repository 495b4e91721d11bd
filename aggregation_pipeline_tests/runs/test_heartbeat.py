"""A run whose process is gone is failed, one that only lost its connection is not, and a stopped one is interrupted."""

import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.postgres import run_lock
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs import heartbeat
from aggregation_pipeline.runs.heartbeat import fail_orphaned_runs, worker_heartbeat
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG, IN_PROCESS_TAG
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline_tests.support.runs import FakeTable, create, open_instance
from aggregation_pipeline_tests.support.waiting import until

WORKERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'aggregation heartbeat {}'"


@pytest.fixture(scope="module")
def url(postgres: Any) -> str:
    return str(postgres.fresh_database())


@pytest.fixture
def instance(url: str) -> Iterator[DagsterInstance]:
    with open_instance(url) as opened:
        opened.wipe()
        yield opened


@pytest.fixture
def run(instance: DagsterInstance) -> DagsterRun:
    return create(instance, [FakeTable("baidu", 1)], DagsterEventType.RUN_START)


def fail_orphaned(instance: DagsterInstance, url: str) -> list[str]:
    return fail_orphaned_runs(instance, instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED])), url)


def tags(instance: DagsterInstance, run: DagsterRun) -> dict[str, str]:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return dict(found.tags)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "PATIENCE_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
def test_a_run_whose_worker_died_is_failed_and_a_healthy_one_is_left_alone(
    instance: DagsterInstance, run: DagsterRun, url: str
):
    with worker_heartbeat(instance, run, url):
        assert tags(instance, run)[HEARTBEAT_TAG] == run.run_id
        assert fail_orphaned(instance, url) == []
    assert fail_orphaned(instance, url) == [run.run_id]
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == DagsterRunStatus.FAILURE


@pytest.mark.usefixtures("impatient")
def test_a_re_execution_with_the_tags_of_the_first_run_is_not_failed_before_it_starts(
    instance: DagsterInstance, run: DagsterRun, url: str
):
    # What the UI gives to a run that is executed again.
    instance.add_run_tags(run.run_id, {HEARTBEAT_TAG: "the run before", IN_PROCESS_TAG: "the run before"})
    assert fail_orphaned(instance, url) == []


@pytest.mark.slow
def test_a_worker_whose_connection_is_cut_takes_its_lock_again(
    instance: DagsterInstance, run: DagsterRun, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(heartbeat, "_BEAT_SECONDS", 0.3)
    monkeypatch.setattr(run_lock, "PATIENCE_SECONDS", 5.0)
    workers = sa.text(WORKERS.format(run.run_id[:8]))
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with worker_heartbeat(instance, run, url), engine.connect() as connection:
        for _ in range(3):
            (pid,) = connection.execute(workers).scalars()
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            assert fail_orphaned(instance, url) == [], "the first look may well find the lock free"
            until("another session", lambda: set(connection.execute(workers).scalars()) - {pid}, 20)  # noqa: B023


def test_after_a_beat_that_fails_the_next_one_follows(
    instance: DagsterInstance, run: DagsterRun, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(heartbeat, "_BEAT_SECONDS", 0.1)
    beats: list[float] = []

    def deadline(_connection: sa.Connection, seconds: float) -> NoReturn:
        beats.append(seconds)
        raise OSError(errno.EMFILE, "Too many open files")

    with worker_heartbeat(instance, run, url):
        monkeypatch.setattr(heartbeat, "deadline", deadline)
        until("more beats", lambda: len(beats) > 3, 20)


def test_a_run_goes_on_without_a_heartbeat_where_postgresql_does_not_answer(instance: DagsterInstance, run: DagsterRun):
    with worker_heartbeat(instance, run, "postgresql://nobody@127.0.0.1:1/none"):
        assert HEARTBEAT_TAG not in tags(instance, run)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_BEAT_SECONDS", 0.05)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("stop", ["report_run_canceling", "report_run_canceled", "report_run_failed"])
def test_a_run_that_somebody_stops_is_interrupted(instance: DagsterInstance, run: DagsterRun, url: str, stop: str):
    with worker_heartbeat(instance, run, url):
        getattr(instance, stop)(run)
        with pytest.raises(KeyboardInterrupt):
            until("the interrupt", lambda: False, 20)


@pytest.mark.usefixtures("hurried")
def test_a_run_that_has_succeeded_is_not_interrupted_while_it_closes_what_it_had_open(
    instance: DagsterInstance, run: DagsterRun, url: str
):
    with worker_heartbeat(instance, run, url):
        instance.report_dagster_event(DagsterEvent(DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id)
        time.sleep(1)


@pytest.mark.usefixtures("hurried")
def test_a_thread_that_no_signal_reaches_is_stopped_where_it_confirms_its_window_lock(
    instance: DagsterInstance, run: DagsterRun, url: str, tmp_path: Path
):
    ended: list[type[BaseException]] = []
    publisher = Publisher(FolderStore(tmp_path), "", tmp_path, url)
    entry = TableEntry(name="baidu", select_fields=["id"])

    def publish() -> None:
        with (
            worker_heartbeat(instance, run, url),
            publisher.locked(entry, "2026-11-20", run.run_id, pytest.fail) as destination,
        ):
            destination.lock.assert_held()
            instance.report_run_canceling(run)
            time.sleep(1)
            try:
                destination.lock.assert_held()
            except KeyboardInterrupt as error:
                ended.append(type(error))

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join(30)
    assert ended == [KeyboardInterrupt]
