"""Where COMPUTE_LOGS keeps what runs print, and that Dagster finds it there, and deletes it with its run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterInstance, OpExecutionContext, job, op
from dagster._core.definitions.instigation_logger import InstigationLogger, get_instigation_log_records
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.instance.compute_logs import ComputeLogs
from aggregation_pipeline.instance.stored_logs import StoredLogs
from aggregation_pipeline.settings import log_once
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.connections import open_run_logs
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.run_logs import RunLogs
from aggregation_pipeline_tests.support.deployment import use_environment

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

RUN = "0f0f0f0f-1111-2222-3333-444444444444"
LOG = [RUN, "compute_logs", "abcdefgh"]
OUT = ComputeIOType.STDOUT


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    variables = {
        "AGGREGATION_ENV_FILE": os.devnull,
        "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1/none",
        "STORAGE_DIR": str(tmp_path / "exports"),
        "LOG_DIR": str(tmp_path / "logs"),
        "PATH": os.environ["PATH"],
    }
    use_environment(monkeypatch, variables)
    return variables


def test_dagster_yaml_names_one_class_and_the_environment_chooses(environment, monkeypatch, tmp_path):
    config = {"base_dir": str(tmp_path / "here")}
    assert isinstance(ComputeLogs.from_config_value(None, config), LocalComputeLogManager)
    monkeypatch.setenv("COMPUTE_LOGS", "store")
    stored = ComputeLogs.from_config_value(None, config)
    assert isinstance(stored, StoredLogs)
    monkeypatch.delenv("COMPUTE_LOGS")
    monkeypatch.setenv("RUNNER", "celery")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:password@127.0.0.1:1/0")
    monkeypatch.setenv("STORAGE_SHARED", "true")
    assert isinstance(ComputeLogs.from_config_value(None, config), StoredLogs)
    assert stored.display_path_for_type(LOG, OUT).endswith(f"/exports/_logs/{RUN}/compute_logs/abcdefgh.out")


def test_logs_have_less_patience_than_files(environment, monkeypatch):
    for name, value in {
        "OSS_BUCKET": "shop-exports",
        "OSS_REGION": "cn-hangzhou",
        "OSS_ACCESS_KEY_ID": "id",
        "OSS_ACCESS_KEY_SECRET": "secret",
        "OSS_STORAGE_CLASS": "IA",
    }.items():
        monkeypatch.setenv(name, value)
    store = open_run_logs(load_settings())._store
    assert isinstance(store, OssStore)
    options = store.options
    assert (options.attempts, options.connect_timeout, options.read_timeout) == (2, 5, 10)
    assert options.storage_class == "Standard"


@pytest.fixture
def instance(
    postgres: "PostgresServer", environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[DagsterInstance]:
    monkeypatch.setenv("COMPUTE_LOGS", "store")
    storage = {"module": "aggregation_pipeline.instance.storage", "class": "PostgresStorage"}
    config = {"postgres_url": postgres.fresh_database()}
    logs = {"module": ComputeLogs.__module__, "class": ComputeLogs.__name__}
    overrides = {
        "storage": {"custom": storage | {"config": config}},
        "compute_logs": logs | {"config": {"base_dir": str(tmp_path / "here")}},
        "telemetry": {"enabled": False},
    }
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), overrides=overrides)) as opened:
        yield opened


@op
def talk(context: OpExecutionContext) -> None:
    """Print a line that no log handler sees."""
    print("said by the op", flush=True)
    context.log.info("logged by the op")


@job
def talking() -> None:
    """Run it."""
    talk()


def test_a_run_is_captured_into_the_store_and_what_it_printed_goes_with_it(instance: DagsterInstance, tmp_path: Path):
    run = talking.execute_in_process(instance=instance)
    (captured,) = [event.logs_captured_data for event in run.all_events if event.event_type_value == "LOGS_CAPTURED"]
    log_key = instance.compute_log_manager.build_log_key_for_run(run.run_id, captured.file_key)
    store = FolderStore(tmp_path / "exports")
    kept = {stored.key: store.read(stored.key) for stored in store.list("_logs/")}
    assert kept[f"_logs/{'/'.join(log_key)}.out"] == b"said by the op\n"
    assert b"logged by the op" in kept[f"_logs/{'/'.join(log_key)}.err"]
    instance.delete_run(run.run_id)
    assert list(store.list("")) == []


def test_what_a_sensor_logs_is_shown_with_its_tick(instance: DagsterInstance):
    log_key = ["here", "alerts", "1"]
    with InstigationLogger(log_key, instance, "here", "alerts") as logger:
        logger.info("looked at 3 runs")
    (record,) = get_instigation_log_records(instance, log_key)
    assert "looked at 3 runs" in record["msg"]


def test_a_run_whose_logs_cannot_be_deleted_is_deleted(instance: DagsterInstance, monkeypatch, caplog):
    monkeypatch.delenv(log_once._VARIABLE, raising=False)
    run = talking.execute_in_process(instance=instance)

    def away(*_: object) -> None:
        raise StorageError("the disk is away")

    monkeypatch.setattr(RunLogs, "delete_below", away)
    instance.delete_run(run.run_id)
    assert instance.get_run_by_id(run.run_id) is None
    assert "stays until it expires: the disk is away" in caplog.text
