"""The services under `serve`: one after the other is killed while runs are at work or wait in the queue."""

import json
import os
import signal

import psutil
import pytest
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline_tests.live.conftest import DAYS
from aggregation_pipeline_tests.support.dev import Supervised, alive
from aggregation_pipeline_tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]


def queued_behind_one(dev: Supervised, days: list[str]) -> tuple[DagsterRun, list[DagsterRun]]:
    """Launch runs of these days. The first starts and waits for its window, which the caller holds; others queue."""
    first = dev.launch(days[0], DagsterRunStatus.STARTED)
    return first, [dev.launch(day, DagsterRunStatus.QUEUED) for day in days[1:]]


def enqueued(dev: Supervised, run: DagsterRun) -> int:
    return len(dev.instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_ENQUEUED))


def all_completed(dev: Supervised, runs: list[DagsterRun]) -> bool:
    statuses = [dev.status(run) for run in runs]
    assert DagsterRunStatus.FAILURE not in statuses, dev.log()[-6000:]
    return set(statuses) == {DagsterRunStatus.SUCCESS}


@pytest.mark.parametrize("killed", ["the inner server", "the code server"])
def test_runs_in_the_queue_outlive_the_code_server(services: Supervised, killed: str):
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        first, waiting = queued_behind_one(services, DAYS)
        outer = services.service("code-server", "start")
        inner = services.service("api", "grpc")
        assert services.process is not None
        # While the supervisor is stopped, nobody restarts what is killed.
        os.kill(services.process.pid, signal.SIGSTOP)
        try:
            os.kill(inner.pid if killed == "the inner server" else outer.pid, signal.SIGKILL)
        finally:
            os.kill(services.process.pid, signal.SIGCONT)
        if killed != "the inner server":
            until("the end of the code server", lambda: not alive([outer]))
    until("the runs", lambda: all_completed(services, [first, *waiting]), 300, said=services.log)
    until("their rows", lambda: all(services.row(run.run_id, "completed") for run in waiting), 60)
    assert set(services.windows("orders")) == set(DAYS)
    assert not services.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE]))


def test_a_run_that_meets_no_code_server_goes_back_into_the_queue_and_its_row_stays_pending(services: Supervised):
    log = services.log_from_now()
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        first, (second,) = queued_behind_one(services, DAYS[:2])
        until("its row", lambda: services.row(second.run_id, "pending"), 60)
        assert services.process is not None
        os.kill(services.process.pid, signal.SIGSTOP)
        os.kill(services.service("api", "grpc").pid, signal.SIGKILL)
        before = enqueued(services, second)
    try:
        until("a way back into the queue", lambda: enqueued(services, second) > before + 1, 120, said=services.log)
        assert services.row(second.run_id, "pending")
    finally:
        os.kill(services.process.pid, signal.SIGCONT)
    until("the runs", lambda: all_completed(services, [first, second]), 180, said=services.log)
    assert "The code server does not answer: it loads its code again" in log()


def test_web_process_and_daemon_are_started_again_and_a_run_goes_on(services: Supervised):
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        run, inner = services.launch(DAYS[0], DagsterRunStatus.STARTED), services.service("api", "grpc")
        kill_web_process_and_daemon(services)
        assert services.service("api", "grpc") == inner
    until("the run", lambda: all_completed(services, [run]), 120, said=services.log)


def kill_web_process_and_daemon(services: Supervised) -> None:
    log = services.log_from_now()
    for words in (["aggregation_pipeline.web"], ["dagster._daemon", "run"]):
        before = services.service(*words).pid
        os.kill(before, signal.SIGKILL)

        def again(words: list[str] = words, before: int = before) -> bool:
            try:
                return services.service(*words).pid != before
            except IndexError:
                return False

        until(f"another {words[0]}", again, 30, said=services.log)
    assert "The web process ended (by SIGKILL) and is started again in 1 s" in log()
    assert "The daemon ended (by SIGKILL) and is started again in 1 s" in log()
    until("the UI", lambda: answers(services), 60, said=services.log)


def answers(services: Supervised) -> bool:
    try:
        return bool(services.ask("{ version }")["data"])
    except OSError:
        return False


def reload(services: Supervised) -> str:
    """Load the code again, as the button Reload does; return the answer, which has the reason of a refusal."""
    answer = services.ask(
        """mutation { reloadRepositoryLocation(repositoryLocationName: "aggregation_pipeline") {
             ... on PythonError { message }
             ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""
    )
    return json.dumps(answer["data"]["reloadRepositoryLocation"])


def lose_the_code(services: Supervised) -> None:
    """Let another code server start, which cannot load the file that is no YAML; return when the UI shows that."""
    outer = services.service("code-server", "start")
    outer.kill()
    until("another code server", lambda: services.found("code-server", "start") not in ([], [outer]), 60)
    query = """{ workspaceOrError { ... on Workspace { locationEntries {
                 locationOrLoadError { ... on PythonError { message errorChain { error { message } } } } } } } }"""
    until("the error", lambda: "this is not YAML" in json.dumps(services.ask(query)), 120, said=services.log)


def test_a_file_that_is_being_changed_harms_no_run_and_one_that_cannot_be_loaded_lets_the_queue_wait(
    services: Supervised,
):
    config = services.folder / "aggregation.yaml"
    good = config.read_text(encoding="utf-8")
    try:
        with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
            first, (second,) = queued_behind_one(services, DAYS[:2])
            config.write_text("tables: [", encoding="utf-8")
        until("the runs", lambda: all_completed(services, [first, second]), 180, said=services.log)
        with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
            first, (second,) = queued_behind_one(services, DAYS[:2])
            lose_the_code(services)
            before = enqueued(services, second)
        until("a way back into the queue", lambda: enqueued(services, second) > before + 1, 120, said=services.log)
        config.write_text(good.replace("schedule: none", "shedule: none"), encoding="utf-8")
        assert "RepositoryLocation" in reload(services)
        until("its end", lambda: services.finished(**{"dagster/partition": DAYS[1]}), 120, said=services.log)
        # The definition of before is not used any more: nobody knows what was to be changed.
        assert services.status(second) == DagsterRunStatus.FAILURE
        row = until("its row", lambda: services.row(second.run_id, "failed"), 60)
        assert "shedule: unknown key" in row.metadata["errors"][0]["error"]
    finally:
        config.write_text(good, encoding="utf-8")
    assert "RepositoryLocation" in reload(services)
    assert services.launch(DAYS[1], DagsterRunStatus.SUCCESS)


def test_a_changed_file_is_loaded_once_it_can_be_and_a_broken_one_stops_nothing(services: Supervised):
    config = services.folder / "aggregation.yaml"
    good = config.read_text(encoding="utf-8")
    # The test before has changed the file, and its code may still be about to be loaded.
    services.restart()
    inner = services.service("api", "grpc")
    refused = f"{config} has changed and cannot be loaded, so what was loaded before goes on: "
    log = services.log_from_now()
    try:
        with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
            run = services.launch(DAYS[0], DagsterRunStatus.STARTED)
            for broken, why in (("tables: [", "this is not YAML"), (good.replace("select_", "selekt_"), "unknown key")):
                before = log().count(refused)
                config.write_text(broken, encoding="utf-8")
                until("the refusal", lambda before=before: log().count(refused) > before, 120)  # type: ignore[misc]
                assert why in log().rpartition(refused)[2].splitlines()[0]
                if broken == "tables: [":
                    assert "what was loaded before goes on: " in (answer := reload(services))
                    assert why in answer
            assert services.service("api", "grpc") == inner
            config.write_text(good + "  late: {table: orders, select_fields: [id], schedule: none}\n", encoding="utf-8")
            until("the new table", lambda: "late" in shown_jobs_and_assets(services), 120, said=services.log)
            assert f"{config} has changed: the code server loads it" in log()
            assert services.status(run) == DagsterRunStatus.STARTED, "a run goes on in the server that began it"
        until("the run", lambda: all_completed(services, [run]), 120, said=services.log)
    finally:
        config.write_text(good, encoding="utf-8")
    until("the table's end", lambda: "late" not in shown_jobs_and_assets(services), 120, said=services.log)
    assert log().count(refused) == 2


def shown_jobs_and_assets(services: Supervised) -> str:
    return json.dumps(services.ask("{ assetNodes { assetKey { path } } }"))


def test_a_file_that_could_not_be_loaded_is_loaded_once_it_is_mended(services: Supervised):
    config = services.folder / "aggregation.yaml"
    good = config.read_text(encoding="utf-8")
    again = "has changed since: the code server loads its code again"
    log = services.log_from_now()
    try:
        with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
            first, (second,) = queued_behind_one(services, DAYS[:2])
            config.write_text("tables: [", encoding="utf-8")
            lose_the_code(services)
            queued = enqueued(services, second)
        until("a way back into the queue", lambda: enqueued(services, second) > queued + 1, 120, said=services.log)
        assert again not in log()
    finally:
        config.write_text(good, encoding="utf-8")
    until("the runs", lambda: all_completed(services, [first, second]), 180, said=services.log)
    assert log().count(again) == 1
    assert f"The code could not be loaded, and {config} {again}" in log()
    until(
        "the UI",
        lambda: "RepositoryConnection" in json.dumps(services.ask("{ repositoriesOrError { __typename } }")),
        60,
    )


def test_a_supervisor_that_is_killed_takes_its_services_along_and_lets_a_run_end(services: Supervised):
    assert services.process is not None
    (daemon,) = until("the daemon", lambda: services.found("dagster._daemon", "run"), 60)
    web, code = services.service("aggregation_pipeline.web"), services.service("code-server", "start")
    with window_lock(services.url, "", "orders", DAYS[0], holder="the test", on_wait=pytest.fail):
        run = services.launch(DAYS[0], DagsterRunStatus.STARTED)
        family = psutil.Process(services.process.pid).children(recursive=True)
        services.process.kill()
        services.process.wait()
        until("the end of web process and daemon", lambda: not alive([web, daemon]), 60, said=services.log)
        services.start()
        assert f"A supervisor was killed and has left the code server (process {code.pid})" in services.log()
        assert services.status(run) == DagsterRunStatus.STARTED
    until("the run", lambda: all_completed(services, [run]), 120, said=services.log)
    until("the end of what the killed one started", lambda: not alive(family), 60, said=services.log)
    assert services.launch(DAYS[1], DagsterRunStatus.SUCCESS)


def test_an_inner_server_whose_outer_one_was_killed_ends_with_the_services(services: Supervised):
    services.stop()
    services.start()
    outer, inner = services.service("code-server", "start"), services.service("api", "grpc")
    outer.kill()
    until("another code server", lambda: services.found("code-server", "start") not in ([], [outer]), 60)
    assert alive([inner]), "it waits for heartbeats for up to a minute"
    family = [inner, *inner.children(recursive=True), *psutil.Process(services.process.pid).children(recursive=True)]  # type: ignore[union-attr]
    services.stop()
    until("the end of all", lambda: not alive(family), 5, said=services.log)
