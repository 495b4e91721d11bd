"""What becomes of runs when Redis loses its messages, when a worker alone is killed, and when others share Redis."""

import functools
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from dagster import DagsterRunStatus, RunsFilter

from aggregation_pipeline.instance.runners.broker import TASK, broker_of
from aggregation_pipeline.postgres.run_lock import PROCESS_GONE
from aggregation_pipeline.runs.tags import PUT_BACK_TAG, REPLACED_RUN_TAG
from aggregation_pipeline_tests.support.dev import alive
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.support.workers import Cluster
from aggregation_pipeline_tests.workers.test_workers import (
    began,
    has_said,
    rows,
    serving,
    succeeds,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(580)]
STARTING, STARTED, FAILURE = DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE


def empty(workers: Cluster) -> None:
    with workers.redis.client() as client:
        client.flushall()


def restart(workers: Cluster) -> None:
    """Redis keeps nothing on disk here: its queues are empty, and all connections are gone."""
    workers.redis.stop()
    workers.redis.start()


def cut(workers: Cluster) -> None:
    with workers.redis.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def messages(workers: Cluster, queue: str = "default") -> int:
    """How many messages lie in a queue; one that was put back twice has two."""
    with workers.redis.client() as client:
        return int(client.llen(f"{workers.broker.prefix}{queue}"))


def the_sensor_looks_for_long_enough(workers: Cluster) -> None:
    """Lose the message of another run, and wait until it is put back: so would be any that was lost before it."""
    run_id = workers.launch_tables("t39", queue="canary")
    until("the canary", lambda: messages(workers, "canary"), said=workers.everything)
    with workers.redis.client() as client:
        client.delete(f"{workers.broker.prefix}canary")
    until("the canary again", lambda: messages(workers, "canary"), 180, said=workers.everything)
    (run,) = workers.wait_for([run_id], STARTING)
    workers.terminate(run, "MARK_AS_CANCELED_IMMEDIATELY")
    workers.wait_for([run_id], DagsterRunStatus.CANCELED)
    with workers.redis.client() as client:
        client.delete(f"{workers.broker.prefix}canary")


@pytest.mark.parametrize(("what", "times"), [(restart, 1), (cut, 0)])
def test_waiting_runs_are_put_back_once_while_all_workers_are_at_work(
    workers: Cluster, what: Callable[[Cluster], None], times: int
):
    with workers.blocked():
        held = [workers.launch_tables(f"t{number:02}") for number in range(20, 24)]
        workers.waits_at_the_source(4)
        workers.wait_for(held, STARTED)
        waiting = [workers.launch_tables(f"t{number:02}") for number in range(24, 27)]
        until("messages", lambda: workers.broker.waiting_runs({"default"}) == {*waiting}, said=workers.everything)
        what(workers)
        until("messages again", lambda: messages(workers) == 3, 180, said=workers.everything)
        # Whoever asks the workers reaches them again.
        until("both", lambda: len(workers.broker.workers(3)) >= 2, 60, said=workers.everything)
        the_sensor_looks_for_long_enough(workers)
        assert messages(workers) == 3
        assert workers.broker.waiting_runs({"default"}) == {*waiting}
        assert workers.in_status(held, STARTED)
        assert workers.in_status(waiting, STARTING)
    succeeds(workers, *held, *waiting)
    assert [began(workers, run_id) for run_id in [*held, *waiting]] == 7 * [1]
    tags = {run.run_id: run.tags for run in workers.wait_for([*held, *waiting], DagsterRunStatus.SUCCESS)}
    assert [PUT_BACK_TAG in tags[run_id] for run_id in [*held, *waiting]] == [*4 * [False], *3 * [times > 0]]
    rows(workers, [*held, *waiting], "completed")


def test_a_run_whose_message_is_lost_twice_fails_with_the_reason(workers: Cluster):
    run_id = workers.launch_tables("t28", queue="leaky")
    for _ in range(2):
        until("its message", lambda: workers.broker.waiting_runs({"leaky"}) == {run_id}, 180, said=workers.everything)
        empty(workers)
    workers.wait_for([run_id], FAILURE)
    rows(workers, [run_id], "failed")
    assert "sent twice" in workers.row(run_id, "failed").metadata["errors"][0]["error"]
    # It is run once more, by a run that waits in the same queue.
    wanted = RunsFilter(tags={REPLACED_RUN_TAG: run_id}, statuses=[STARTING])
    (again,) = until("its successor", lambda: workers.instance.get_runs(wanted), 180, said=workers.everything)
    workers.terminate(again, "MARK_AS_CANCELED_IMMEDIATELY")
    workers.wait_for([again.run_id], DagsterRunStatus.CANCELED)


def test_the_runs_of_a_worker_that_is_killed_alone_end_with_it(workers: Cluster):
    options = ("--queues", "alone", "--concurrency", "1")
    with serving(workers, "alone", *options) as worker, ExitStack() as stack:
        stack.enter_context(workers.blocked())
        run_id = workers.launch_tables("t29", queue="alone")
        workers.waits_at_the_source()
        workers.wait_for([run_id], STARTED)
        processes = worker.runs()
        assert len(processes) == 1
        assert worker.process is not None
        worker.process.kill()
        worker.process.wait(30)
        until("the end of its run's process", lambda: not alive(processes), 60, said=worker.log)
        # Started again, it has its one slot free.
        worker.start(*options)
        worker.ready()
        again = workers.launch_tables("t30", queue="alone")
        workers.wait_for([again], STARTED)
        assert len(worker.runs()) == 1
        workers.wait_for([run_id], FAILURE, seconds=120)
        rows(workers, [run_id], "failed")
        assert PROCESS_GONE in workers.row(run_id, "failed").metadata["errors"][0]["error"]
        stack.close()
        # The window of the first is free again.
        succeeds(workers, again, workers.launch_tables("t29", queue="alone"))


def test_deployments_of_one_name_with_databases_of_their_own_share_redis(workers: Cluster, postgres: PostgresServer):
    url = postgres.fresh_database()
    with open_instance(url) as instance:
        theirs = broker_of(instance, workers.redis.url, "default")
    stranger = workers.add_worker("stranger", DAGSTER_PG_URL=url)
    namesake = workers.add_worker("namesake", DEPLOYMENT_NAME="namesake")
    run_id = workers.launch_tables("t31", queue="shared")
    until("its message", lambda: workers.broker.waiting_runs({"shared"}) == {run_id}, said=workers.everything)
    for each in (stranger, namesake):
        each.start("--queues", "shared")
    for each in (stranger, namesake):
        each.ready()
    # A message in the queue of the stranger, about a run that his database does not know.
    app = theirs.app()
    app.send_task(TASK, (run_id,), task_id=run_id, queue="shared")
    app.close()
    said = f"Run {run_id} was left alone: ERROR: the PostgreSQL of this worker's DAGSTER_PG_URL does not know it"
    until("the error", functools.partial(has_said, stranger, said), 60, said=stranger.log)
    names = {name.partition("@")[0] for name in theirs.workers(3)}
    assert names == {"stranger"}
    assert not names & {name.partition("@")[0] for name in workers.broker.workers(3)}
    assert workers.broker.waiting_runs({"shared"}) == {run_id}
    for each in (stranger, namesake):
        each.kill()
    with serving(workers, "ours", "--queues", "shared") as ours:
        succeeds(workers, run_id)
        assert f"Run {run_id} began" in ours.log()
    assert f"Run {run_id}" not in namesake.log()
