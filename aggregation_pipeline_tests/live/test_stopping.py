"""Runs are cancelled, and services stopped: nothing goes on that somebody has stopped, and what may end ends."""

import os
import signal
import time
from dataclasses import replace

import psutil
import pytest
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus

from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG
from aggregation_pipeline_tests.live.conftest import DAYS
from aggregation_pipeline_tests.support.dev import Supervised, alive
from aggregation_pipeline_tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]


@pytest.mark.alone
@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_a_run_whose_code_server_was_killed_is_cancelled_within_ten_seconds(services: Supervised, executor: str):
    services.restart(EXECUTOR=executor)
    services.remove_exports()
    inner = services.service("api", "grpc")
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        run = services.launch(DAYS[0], DagsterRunStatus.STARTED)
        worker = psutil.Process(services.pid_of(run))
        family = [worker, *worker.children(recursive=True)]
        until("its heartbeat", lambda: HEARTBEAT_TAG in services.now(run).tags, 60, said=services.log)
        services.service("code-server", "start").kill()
        inner.kill()
        assert worker.is_running(), "a run outlives its code server"
        asked = time.monotonic()
        services.terminate(run)
        until("its end", lambda: services.status(run) == DagsterRunStatus.CANCELED, 30, said=services.log)
        assert time.monotonic() - asked < 10
        until("the end of its processes", lambda: not alive(family), 10)
    until("its row", lambda: services.row(run.run_id, "failed"), 60, said=services.log)
    assert services.windows("orders") == []
    assert list((services.folder / "temp").glob("*/")) == [services.folder / "temp" / "loaded"]
    assert services.status(run) == DagsterRunStatus.CANCELED
    assert not services.instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_SUCCESS)


def test_a_run_that_was_marked_as_cancelled_by_force_publishes_nothing_and_never_succeeds(services: Supervised):
    services.restart()
    services.remove_exports()
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        run = services.launch(DAYS[0], DagsterRunStatus.STARTED)
        worker = psutil.Process(services.pid_of(run))
        # No message of Dagster's reaches it, and its heartbeat does not look, until the window is free.
        for server in [services.service("code-server", "start"), services.service("api", "grpc")]:
            server.kill()
        worker.suspend()
        services.terminate(run, policy="MARK_AS_CANCELED_IMMEDIATELY")
        assert services.status(run) == DagsterRunStatus.CANCELED
    worker.resume()
    until("the end of its process", lambda: not alive([worker]), 30)
    assert services.windows("orders") == []
    assert services.status(run) == DagsterRunStatus.CANCELED
    assert not services.instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_SUCCESS)


def run_at_work(services: Supervised) -> tuple[DagsterRun, list[psutil.Process]]:
    """Start the services and a run that waits for its window; return the run, and all processes that have to end."""
    services.restart()
    family = psutil.Process(services.process.pid).children(recursive=True)  # type: ignore[union-attr]
    run = services.launch(DAYS[0], DagsterRunStatus.STARTED)
    return run, [*family, psutil.Process(services.pid_of(run))]


def test_ctrl_c_lets_a_run_end_and_leaves_no_process(services: Supervised):
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        run, family = run_at_work(services)
        daemon = services.service("dagster._daemon", "run")
        os.kill(services.process.pid, signal.SIGINT)  # type: ignore[union-attr]
        until("the end of the daemon", lambda: not alive([daemon]), 60)
    services.process.wait(90)  # type: ignore[union-attr]
    services.process = None
    assert services.status(run) == DagsterRunStatus.SUCCESS
    until("the end of all", lambda: not alive(family), 30)


def test_a_second_signal_interrupts_the_runs(services: Supervised):
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        run, family = run_at_work(services)
        # An earlier test has logged the same line, and two signals at once are one.
        log = services.log_from_now()
        os.kill(services.process.pid, signal.SIGTERM)  # type: ignore[union-attr]
        until("the wait", lambda: "Waiting up to 600 s for runs that are at work" in log(), 90)
        os.kill(services.process.pid, signal.SIGTERM)  # type: ignore[union-attr]
        services.process.wait(60)  # type: ignore[union-attr]
    services.process = None
    assert services.status(run) == DagsterRunStatus.FAILURE
    until("the end of all", lambda: not alive(family), 30)


def test_a_stop_while_the_code_is_still_loading_waits_for_no_run(services: Supervised):
    services.stop()
    process = services.begin()
    until("the inner server", lambda: services.found("api", "grpc"), 60)
    family = psutil.Process(process.pid).children(recursive=True)
    log = services.log_from_now()
    process.terminate()
    process.wait(40)
    services.process = None
    assert "Waiting up to" not in log()
    until("the end of all", lambda: not alive(family), 5)


def test_each_service_runs_under_a_supervisor_of_its_own_and_stops_alone(services: Supervised):
    services.stop()
    parts = {name: replace(services, options=("--only", name)) for name in ("code", "daemon", "web")}
    log = services.log_from_now()
    try:
        parts["daemon"].begin()
        until("what it waits for", lambda: "Waiting for the code server" in log(), 60)
        parts["code"].begin()
        parts["web"].start()
        with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
            run = services.launch(DAYS[0], DagsterRunStatus.STARTED)
            inner = parts["code"].service("api", "grpc")
            parts["daemon"].stop()
            parts["daemon"].begin()
            parts["web"].restart()
            assert parts["code"].service("api", "grpc") == inner
            parts["daemon"].stop()
            of_code = services.log_from_now()
            assert parts["code"].process is not None
            os.kill(parts["code"].process.pid, signal.SIGTERM)
            until("the wait", lambda: "Waiting up to 600 s for runs" in of_code(), 60, said=services.log)
        until("the run", lambda: services.status(run) == DagsterRunStatus.SUCCESS, 60, said=services.log)
    finally:
        for name in ("daemon", "code", "web"):
            parts[name].stop()
    assert "Another `" not in log()
    assert list((services.folder / "home" / ".code-server").iterdir()) == []
