"""What `check`, `/health` and the health check of a container say of workers; other deployments share the Redis."""

import json
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.support.workers import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(580)]
CHECK = "from aggregation_pipeline.cli.main import main; main(['check', '--json'])"


def check(workers: Cluster, **variables: str) -> dict[str, dict[str, Any]]:
    """The findings of `check` about workers, by their names."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env={**workers.environment, **variables}, cwd=workers.folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {each["name"]: each for each in json.loads(done.stdout)["findings"] if each["subject"] == "workers"}


def problem(workers: Cluster) -> str | None:
    """What /health says of workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{workers.port}/health", timeout=60) as reply:
        said = json.load(reply)["checks"]["workers"]
    found: str | None = said.get("problem")
    return found


def alive(workers: Cluster, name: str, **variables: str) -> int:
    """The exit code of the health check on the machine of worker `one`."""
    command = [sys.executable, "-m", "aggregation_pipeline.workers.alive", name]
    return subprocess.run(command, env={**workers.workers["one"].environment, **variables}, check=False).returncode


def test_workers_of_this_deployment_answer_and_no_others(workers: Cluster):
    found = check(workers)
    assert found["broker"]["status"] == found["queues"]["status"] == "ok"
    assert {name.partition("@")[0] for name in found if "@" in name} == {"one", "two"}
    found = check(workers, DEPLOYMENT_NAME="namesake")
    assert "no worker answers" in found["queues"]["text"]
    assert [name for name in found if "@" in name] == []
    assert alive(workers, "one") == 0
    assert alive(workers, "nobody") == 1
    assert alive(workers, "one", DEPLOYMENT_NAME="namesake") == 1
    until("no problem", lambda: problem(workers) is None, 60, said=workers.everything)


def test_a_queue_that_nobody_serves_is_named_as_long_as_runs_wait_there(workers: Cluster):
    run_id = workers.launch_tables("t38", queue="nobodys")
    until("its message", lambda: workers.broker.waiting_runs({"nobodys"}), said=workers.everything)
    assert "no worker serves nobodys" in check(workers)["queues"]["text"]
    until("the problem", lambda: "no worker serves nobodys" in (problem(workers) or ""), 60, said=workers.everything)
    (run,) = workers.wait_for([run_id], DagsterRunStatus.STARTING)
    workers.terminate(run, "MARK_AS_CANCELED_IMMEDIATELY")
    until("no problem", lambda: problem(workers) is None, 60, said=workers.everything)


def test_a_queue_that_an_entry_names_is_missed_before_the_first_run_waits_there(workers: Cluster):
    config = workers.folder / "aggregation.yaml"
    before = config.read_text()
    try:
        config.write_text(f"{before}  heavy: {{table: orders, select_fields: [id], queue: heavy.one}}\n")
        finding = check(workers)["queues"]
        assert finding["status"] == "failure"
        assert "no worker serves heavy.one: runs for it wait" in finding["text"]
        assert "aggregation-pipeline worker --queues heavy.one" in finding["text"]
        until(
            "the problem",
            lambda: "no worker serves heavy.one" in (problem(workers) or ""),
            60,
            said=workers.everything,
        )
    finally:
        config.write_text(before)
    assert check(workers)["queues"]["status"] == "ok"
    until("no problem", lambda: problem(workers) is None, 60, said=workers.everything)


def test_a_pool_that_is_smaller_than_the_workers_together_is_named_with_where_to_raise_it(workers: Cluster):
    assert "pools" not in check(workers)
    pool = f"source_{workers.environment['DB_NAME']}"
    storage = workers.instance.event_log_storage
    storage.set_concurrency_slots(pool, 3)
    try:
        finding = check(workers)["pools"]
        assert finding["status"] == "warning"
        assert (
            f"the workers have 4 slots, and the pools of the sources let fewer tables be read at once: {pool} 3"
            in (finding["text"])
        )
        assert "pool_limit of the source in aggregation.yaml" in finding["remedy"]
    finally:
        storage.delete_concurrency_limit(pool)
