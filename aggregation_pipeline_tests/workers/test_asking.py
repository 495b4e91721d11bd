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
