"""Compute logs: what the processes of runs print, for the UI. COMPUTE_LOGS says where they are kept.

`local` is a folder of this machine: right where all services are on it, because logs are there as they are written and
cost no request. `store` is the bucket (or the shared folder) of the published files: for runs on other machines.
"""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from dagster import DagsterInstance, Field, IntSource, StringSource
from dagster._core.storage.compute_log_manager import ComputeLogManager
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.log_once import claim_log_line

_log = logging.getLogger(__name__)

UPLOAD_SECONDS: Final = 10
_MINUTE: Final = 60.0


class ComputeLogs(ComputeLogManager[DagsterInstance], ConfigurableClass):
    """What dagster.yaml names. What is opened is Dagster's own local manager, or `StoredLogs`."""

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Nothing: there is no object of this class."""
        return None

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The schema of `config`: a folder of this machine, and how often logs of a run at work are sent."""
        return {"base_dir": StringSource, "upload_interval": Field(IntSource, is_required=False)}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]
    ) -> ComputeLogManager[DagsterInstance]:
        """Open the logs where COMPUTE_LOGS says.

        Raises:
            SettingsError: the environment cannot be used.
        """
        from aggregation_pipeline.instance.stored_logs import StoredLogs
        from aggregation_pipeline.settings.connections import open_run_logs

        local = LocalComputeLogManager(config_value["base_dir"], inst_data=inst_data)
        settings = load_settings()
        if (settings.compute_logs or ("local" if settings.runner == "local" else "store")) == "local":
            return local
        keep = timedelta(days=settings.compute_log_keep_days)
        interval = config_value.get("upload_interval", UPLOAD_SECONDS)
        return StoredLogs(open_run_logs(settings), Path(config_value["base_dir"]), keep, interval)


def delete_logs_of_run(instance: DagsterInstance, run_id: str) -> None:
    """Delete what a run has printed, once the run is deleted. What cannot be deleted now expires."""
    try:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    except (PipelineError, OSError) as error:
        if claim_log_line("logs of deleted runs", every=_MINUTE):
            _log.warning("The log of the deleted run %s stays until it expires: %s", run_id, error)
