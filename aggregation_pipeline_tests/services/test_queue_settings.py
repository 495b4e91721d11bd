"""The settings of the run queue in the shipped dagster.yaml, as Dagster reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInvalidConfigError, DagsterInvariantViolationError
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator

from aggregation_pipeline_tests.support.paths import REPOSITORY

SHIPPED: Mapping[str, Any] = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"))


def test_the_queue_waits_a_day_for_a_code_server_and_keeps_its_limit(tmp_path: Path):
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(dict(SHIPPED)), encoding="utf-8")
    ref = InstanceRef.from_dir(str(tmp_path))
    coordinator = ref.run_coordinator
    assert isinstance(coordinator, QueuedRunCoordinator)
    queue = coordinator.get_run_queue_config()
    assert queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay == 86_400
    settings: Any = ref.settings
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 4


def test_dagster_takes_the_limit_of_runs_in_one_place_only(tmp_path: Path):
    config = {**SHIPPED, "run_coordinator": {**SHIPPED["run_coordinator"], "config": {"max_concurrent_runs": 4}}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises((DagsterInvalidConfigError, DagsterInvariantViolationError), match="max_concurrent_runs"):
        dagster_instance_config(str(tmp_path))
