"""What dagster.yaml names for RUNNER: the launcher that the setting chooses, and the instance that goes with it."""

import functools
import importlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml
from dagster import DagsterInstance, DefaultRunLauncher
from dagster._core.instance import InstanceRef
from dagster._core.launcher import RunLauncher
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import load_part
from aggregation_pipeline.settings.runner import RunnerSettings

# The module of each runner has `build`, which returns its launcher. It is imported only where it is chosen.
_RUNNERS: Final = {name: f"aggregation_pipeline.instance.runners.{name}" for name in ("celery", "kubernetes", "docker")}
# Seconds. Dagster's monitoring takes 0 for a mistake.
_ANY_TIME: Final = 10**9
# Sections of dagster.yaml, with the class of this module that each has to name.
_SECTIONS: Final = {"run_launcher": "ChosenRunLauncher", "instance_class": "Instance"}


class ChosenRunLauncher(RunLauncher, ConfigurableClass):
    """Stands in dagster.yaml for the launcher that RUNNER chooses: `from_config_value` returns that one."""

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Nothing: there is no object of this class."""
        return None

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The schema of `config` in dagster.yaml: nothing."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, _config_value: Mapping[str, Any]
    ) -> RunLauncher:
        """Build the launcher.

        Raises:
            SettingsError: what RUNNER needs is not set or not installed.
        """
        settings = load_part(RunnerSettings)
        if settings.runner == "local":
            return DefaultRunLauncher(inst_data)
        settings.require_runner()
        launcher: RunLauncher = importlib.import_module(_RUNNERS[settings.runner]).build(inst_data)
        return launcher

    def launch_run(self, context: object) -> None:
        """Never called."""
        raise NotImplementedError

    def terminate(self, run_id: str) -> bool:
        """Never called."""
        raise NotImplementedError


class Instance(DagsterInstance):
    """Dagster's instance, which lets a run wait in a broker for as long as it has to."""

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """What dagster.yaml holds besides Dagster's own sections: nothing."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """What holds where dagster.yaml says nothing: Dagster's own defaults."""
        return InstanceRef.config_defaults(base_dir)

    @property
    def run_monitoring_start_timeout_seconds(self) -> int:
        """How long a run may take to start. In a broker it has any time: the sensor `lost_runs` watches over it."""
        return _ANY_TIME if _waits_in_broker() else super().run_monitoring_start_timeout_seconds

    @property
    def start_timeout_of_one_process(self) -> int:
        """The same for a run that waits for no worker."""
        return super().run_monitoring_start_timeout_seconds


@functools.cache
def _waits_in_broker() -> bool:
    return load_part(RunnerSettings).runner == "celery"


def refuse_old_dagster_yaml() -> None:
    """Raise SettingsError where RUNNER is set and the dagster.yaml of this process is one that does not ask for it.

    Runs would be computed by the code server's machine, and nobody would notice.
    """
    runner = load_part(RunnerSettings).runner
    path = Path(os.environ.get("DAGSTER_HOME") or ".").expanduser() / "dagster.yaml"
    if runner == "local":
        return
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        missing = [
            section
            for section, name in _SECTIONS.items()
            if (config.get(section) or {}) != {"module": __name__, "class": name}
        ]
        if missing:
            raise SettingsError(
                f"RUNNER={runner} has no effect with {path}: it is from an earlier version and lacks"
                f" {' and '.join(missing)}. Take over these sections from the dagster.yaml of this version"
            )
