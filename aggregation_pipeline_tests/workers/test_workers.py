"""RUNNER=celery with two workers, each with folders of its own, on real servers."""

import functools
import signal
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline.instance.runners.broker import TASK
from aggregation_pipeline.instance.runners.celery import CeleryLauncher
from aggregation_pipeline.postgres.run_lock import PROCESS_GONE
from aggregation_pipeline.runs.tags import PUT_BACK_TAG
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.support.workers import Cluster, Worker
from aggregation_pipeline_tests.workers.conftest import POOL_LIMIT, TABLES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(580)]
STARTING, STARTED = DagsterRunStatus.STARTING, DagsterRunStatus.STARTED
SUCCESS, FAILURE, CANCELED = DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED
ENDED = (SUCCESS, FAILURE, CANCELED)


def succeeds(workers: Cluster, *run_ids: str) -> None:
    runs = workers.wait_for(run_ids, *ENDED, seconds=400)
    assert {run.status for run in runs} == {SUCCESS}, workers.everything()


def rows(workers: Cluster, run_ids: Sequence[str], status: str) -> None:
    for run_id in run_ids:
        found = functools.partial(workers.row, run_id, status)
        until(f"the row of {run_id}", found, 90, said=workers.everything)


def began(workers: Cluster, run_id: str) -> int:
    """How often a process of a worker has begun this run and not left it alone."""
    logs = "".join(each.log() for each in workers.workers.values())
    left_alone = logs.count(f"Run {run_id} was left alone") - logs.count(
        f"Run {run_id} was left alone: it is at work here"
    )
    return logs.count(f"Run {run_id} began") - left_alone


@contextmanager
def serving(workers: Cluster, name: str, *options: str):
    """One more worker, for the body."""
    worker = workers.workers.get(name) or workers.add_worker(name)
    worker.start(*options)
    worker.ready()
    try:
        yield worker
    finally:
        worker.kill()


def has_said(worker: Worker, words: str) -> bool:
    return words in worker.log()


def with_run(workers: Cluster, run_id: str) -> Worker:
    until("a worker", lambda: workers.worker_of(run_id), said=workers.everything)
    return workers.workers[workers.worker_of(run_id)]


def test_forty_tables_are_spread_over_both_workers_and_each_run_has_its_row(workers: Cluster):
    run_ids = [workers.launch_tables(name) for name in TABLES]
    succeeds(workers, *run_ids)
    took = [workers.worker_of(run_id) for run_id in run_ids]
    assert min(took.count("one"), took.count("two")) >= 8, took
    assert [began(workers, run_id) for run_id in run_ids] == 40 * [1]
    rows(workers, run_ids, "completed")


def test_a_run_waits_for_a_worker_of_its_queue(workers: Cluster):
    run_id = workers.launch_tables("t00", queue="big")
    until("its message", lambda: workers.broker.waiting_runs({"big"}) == {run_id}, said=workers.everything)
    assert workers.in_status([run_id], STARTING)
    with serving(workers, "big", "--queues", "big,other"):
        succeeds(workers, run_id)
        assert workers.worker_of(run_id) == "big"
        found = workers.broker.workers(5)
    assert found.keys() >= {f"{name}@{next(iter(found)).partition('@')[2]}" for name in ("one", "two", "big")}


def test_a_run_that_waits_in_the_broker_is_cancelled_at_once_and_never_begins(workers: Cluster):
    run_ids = [workers.launch_tables(name, queue="later") for name in ("t00", "t01")]
    until("messages", lambda: workers.broker.waiting_runs({"later"}) == {*run_ids}, said=workers.everything)
    forced, told = run_ids
    # Dagster's pages only offer to mark a run as cancelled that is starting.
    (run,) = workers.wait_for([forced], STARTING)
    workers.terminate(run, "MARK_AS_CANCELED_IMMEDIATELY")
    launcher = CeleryLauncher(workers.redis.url, "default", workers.url)
    launcher.register_instance(workers.instance)
    assert launcher.terminate(told)
    workers.wait_for(run_ids, CANCELED, seconds=30)
    assert not launcher.terminate(told)
    with serving(workers, "later", "--queues", "later") as worker:
        until("the worker's answers", lambda: worker.log().count("was left alone") == 2, 60, said=worker.log)
    assert workers.in_status(run_ids, CANCELED)
    rows(workers, run_ids, "failed")


def test_a_run_at_work_is_cancelled_and_frees_its_slot(workers: Cluster):
    with workers.blocked():
        run_id = workers.launch_tables("t00")
        workers.waits_at_the_source()
        (run,) = workers.wait_for([run_id], STARTED)
        workers.terminate(run)
        workers.wait_for([run_id], CANCELED, seconds=60)
        worker = with_run(workers, run_id)
        until("the end of its process", lambda: f"Run {run_id} ended" in worker.log(), 60, said=worker.log)
    rows(workers, [run_id], "failed")


def test_the_runs_of_a_killed_worker_fail_and_the_others_take_over(workers: Cluster):
    with workers.blocked():
        run_id = workers.launch_tables("t01")
        workers.waits_at_the_source()
        worker = with_run(workers, run_id)
        worker.kill()
        workers.wait_for([run_id], FAILURE, seconds=120)
    rows(workers, [run_id], "failed")
    assert PROCESS_GONE in workers.row(run_id, "failed").metadata["errors"][0]["error"]
    again = workers.launch_tables("t01")
    succeeds(workers, again)
    assert workers.worker_of(again) != worker.name
    worker.start()
    worker.ready()


def test_the_runs_of_a_frozen_worker_fail_and_their_windows_are_free(workers: Cluster):
    with workers.blocked():
        run_id = workers.launch_tables("t02")
        workers.waits_at_the_source()
        worker = with_run(workers, run_id)
        family = worker.family()
        worker.signal_all(signal.SIGSTOP)
        workers.wait_for([run_id], FAILURE, seconds=240)
    again = workers.launch_tables("t02")
    succeeds(workers, again)
    rows(workers, [run_id], "failed")
    for each in family:
        each.send_signal(signal.SIGCONT)
    # It wakes up, finds that its run has ended, and works on.
    until("the end of the old process", lambda: f"Run {run_id} ended" in worker.log(), 120, said=worker.log)
    assert workers.in_status([run_id], FAILURE)
    succeeds(workers, workers.launch_tables("t02"))


def test_messages_that_redis_has_lost_are_put_back_once(workers: Cluster):
    run_ids = [workers.launch_tables(name, queue="lost") for name in ("t03", "t04", "t05")]
    until("messages", lambda: workers.broker.waiting_runs({"lost"}) == {*run_ids}, said=workers.everything)
    with workers.redis.client() as client:
        client.flushall()
    until("messages again", lambda: workers.broker.waiting_runs({"lost"}) == {*run_ids}, 180, said=workers.everything)
    with serving(workers, "finder", "--queues", "lost"):
        succeeds(workers, *run_ids)
    runs = workers.wait_for(run_ids, SUCCESS)
    assert all(run.tags[PUT_BACK_TAG] == run.run_id for run in runs)
    assert [began(workers, run_id) for run_id in run_ids] == [1, 1, 1]
    # The other workers take runs from the emptied Redis, too.
    succeeds(workers, workers.launch_tables("t06"))


def test_runs_wait_in_dagsters_queue_while_redis_is_away(workers: Cluster):
    workers.redis.stop()
    run_id = workers.launch_tables("t07")
    until("a refusal", lambda: "does not answer" in workers.log(), 120, said=workers.everything)
    workers.redis.start()
    succeeds(workers, run_id)
    assert began(workers, run_id) == 1


def test_of_two_messages_about_one_run_only_one_begins_it(workers: Cluster):
    def refusals() -> int:
        return sum(each.log().count(f"Run {run_id} was left alone") for each in workers.workers.values())

    app = workers.broker.app()
    with workers.blocked():
        run_id = workers.launch_tables("t08")
        workers.waits_at_the_source()
        for _ in range(3):
            app.send_task(TASK, (run_id,), task_id=run_id, queue="default")
        until("three refusals", lambda: refusals() == 3, said=workers.everything)
    succeeds(workers, run_id)
    app.send_task(TASK, (run_id,), task_id=run_id, queue="default")
    until("a fourth", lambda: refusals() == 4, said=workers.everything)
    app.close()
    assert began(workers, run_id) == 1


def test_pools_hold_across_workers(workers: Cluster):
    pool, storage = f"source_{workers.environment['DB_NAME']}", workers.instance.event_log_storage

    def one_waits_for_the_other() -> bool:
        found = storage.get_concurrency_info(pool)
        return (found.active_slot_count, found.pending_step_count) == (1, 1)

    # Both are out of Dagster's queue before the pool has one slot only: there, one would wait for the other already.
    queues = {workers.launch_tables(table, queue=queue): queue for table, queue in (("t09", "left"), ("t10", "right"))}
    until("messages", lambda: workers.broker.waiting_runs({"left", "right"}) == {*queues}, said=workers.everything)
    storage.set_concurrency_slots(pool, 1)
    try:
        with ExitStack() as at_work:
            # Before a worker is there: the first one's run would end while the second one starts.
            with workers.blocked():
                for name in ("left", "right"):
                    at_work.enter_context(serving(workers, name, "--queues", name))
                workers.wait_for([*queues], STARTED)
                until("one that waits for the other", one_waits_for_the_other, said=workers.everything)
            succeeds(workers, *queues)
    finally:
        storage.set_concurrency_slots(pool, POOL_LIMIT)
    assert {run_id: workers.worker_of(run_id) for run_id in queues} == queues


def test_a_worker_with_another_aggregation_yaml_refuses_the_run(workers: Cluster):
    other = workers.add_worker("other")
    with (other.folder / "aggregation.yaml").open("a") as file:
        file.write("  one_more: {table: orders, select_fields: [id], schedule: none}\n")
    with serving(workers, "other", "--queues", "rules"):
        run_id = workers.launch_tables("t11", queue="rules")
        workers.wait_for([run_id], FAILURE)
    row = until("its row", lambda: workers.row(run_id, "failed"), 90, said=workers.everything)
    assert "aggregation.yaml differ" in row.metadata["errors"][0]["error"]


def test_sigterm_lets_runs_end_and_a_second_one_interrupts_them(workers: Cluster):
    worker = workers.add_worker("drained")
    # Nobody has cancelled the second run: it has failed, as when its worker is killed.
    for times, status in ((1, SUCCESS), (2, FAILURE)):
        worker.start("--queues", "drained")
        worker.ready()
        with workers.blocked():
            run_id = workers.launch_tables("t12", queue="drained")
            workers.waits_at_the_source()
            assert worker.process is not None
            for number in range(times):
                worker.process.send_signal(signal.SIGTERM)
                words = ("Waiting up to", "Interrupting")[number]
                until(words, functools.partial(has_said, worker, words), 60, said=worker.log)
            if times == 2:
                workers.wait_for([run_id], *ENDED, seconds=60)
        (run,) = workers.wait_for([run_id], *ENDED)
        assert run.status == status, worker.log()
        assert worker.process.wait(60) == 0
        worker.process = None
