"""`worker` says what is missing before it begins, and shows no secret."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.errors import BrokerBusyError, BrokerError
from aggregation_pipeline.instance.runners.broker import Broker
from aggregation_pipeline_tests.support.deployment import use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.redis import Redis, redis_server

BASE = {"RUNNER": "celery", "STORAGE_SHARED": "true", "AGGREGATION_ENV_FILE": "/dev/null"}


@pytest.fixture(scope="module")
def redis(server_folder: Path) -> Iterator[Redis]:
    with redis_server(server_folder / "redis-cli") as server:
        yield server


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dagster_database: str):
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"))

    def said(*options: str, **variables: str) -> str:
        given = {**BASE, "DAGSTER_HOME": str(tmp_path), "DAGSTER_PG_URL": dagster_database, **variables}
        use_environment(monkeypatch, {name: value for name, value in given.items() if value})
        result = CliRunner().invoke(main, ["worker", *options])
        assert result.exit_code != 0
        assert "Traceback" not in result.output
        assert "hush" not in result.output
        return result.output

    return said


def test_each_thing_that_is_missing_is_named_with_the_remedy(worker, redis: Redis, tmp_path: Path):
    assert "RUNNER is local, and workers take the runs of RUNNER=celery" in worker(RUNNER="")
    assert "RUNNER=celery needs CELERY_BROKER_URL" in worker()
    assert "DAGSTER_PG_URL is not set" in worker(CELERY_BROKER_URL=redis.url, DAGSTER_PG_URL="")
    wrong = redis.url.replace("hush-hush", "hush")
    assert "refuses the password or the user: correct CELERY_BROKER_URL" in worker(CELERY_BROKER_URL=wrong)
    far = redis.url.removesuffix("/0") + "/99"
    assert "has no database of that number: correct the end of CELERY_BROKER_URL" in worker(CELERY_BROKER_URL=far)
    assert "is no queue" in worker("--queues", "a b", CELERY_BROKER_URL=redis.url)
    assert "Celery keeps this one for itself" in worker("--queues", "unacked", CELERY_BROKER_URL=redis.url)
    assert "it names no queue" in worker("--queues", ",", CELERY_BROKER_URL=redis.url)
    (tmp_path / "dagster.yaml").unlink()
    assert "There is no dagster.yaml in DAGSTER_HOME=" in worker(CELERY_BROKER_URL=redis.url)


def test_a_worker_waits_for_a_redis_that_starts_later(worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("aggregation_pipeline.workers.worker._PATIENCE_SECONDS", 0.0)
    said = worker(CELERY_BROKER_URL="redis://:hush@127.0.0.1:1/0")
    assert "Redis at 127.0.0.1:1/0 does not answer" in said
    assert "check CELERY_BROKER_URL and that Redis runs" in said


def test_the_broker_tells_what_waits_and_what_it_would_evict(redis: Redis):
    broker = Broker(redis.url, "one", "its id")
    app = broker.app()
    for number, priority in (("a", 0), ("b", 5)):
        app.send_task("t", (number,), task_id=number, queue="q", priority=priority)
    app.close()
    assert broker.waiting_runs(["q", "other"]) == {"a", "b"}
    # Another deployment in the same Redis has queues of its own, also one of the same name.
    assert Broker(redis.url, "two", "its id").waiting_runs(["q"]) == set()
    assert Broker(redis.url, "one", "another id").waiting_runs(["q"]) == set()
    assert broker.eviction_policy() == "noeviction"
    assert broker.workers(0.2) == {}
    with redis.client() as client:
        client.lpush(f"{broker.prefix}q", "no message", "[]", '{"headers": null}')
    assert broker.waiting_runs(["q"]) == {"a", "b"}
    # What this process has kept open is of no use after a restart, and is not taken for a Redis that is away.
    redis.stop()
    redis.start()
    assert broker.workers(0.2) == {}


def test_a_broker_that_is_away_may_come_back_and_one_that_refuses_us_will_not(redis: Redis):
    with pytest.raises(BrokerBusyError):
        Broker("redis://127.0.0.1:1", "one", "its id").workers()
    with pytest.raises(BrokerError, match="refuses") as caught:
        Broker(f"redis://127.0.0.1:{redis.port}", "one", "its id").ping()
    assert not isinstance(caught.value, BrokerBusyError)


def test_help_of_a_worker_teaches_and_loads_nothing_heavy():
    code = "import sys; from aggregation_pipeline.cli.main import main\ntry: main(['worker', '--help'])\n"
    code += "except SystemExit: print({'dagster', 'celery', 'redis'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aggregation-pipeline worker --queues default,big --concurrency 4" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"
