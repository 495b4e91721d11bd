"""One order everywhere: the environment goes before `.env`.

Dagster's services write `.env` over their environment before any code of ours runs. /proc/self/environ still shows what
this process was started with, so the values that the file has replaced are restored from there. A child process
inherits the restored values, writes the file over them again, and restores them again.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.env_file import read_env_file
from aggregation_pipeline.settings.environment import dagster_readings, is_overlaid
from aggregation_pipeline.settings.log_once import log_once

_log = logging.getLogger(__name__)
_ENVIRONMENT_AT_START: Final = Path("/proc/self/environ")
# When this module runs, Dagster has already opened the folder that this names.
_USED_BEFORE: Final = "DAGSTER_HOME"


def restore_environment() -> None:
    """Restore, in os.environ, the variables that `.env` in the working folder has replaced."""
    try:
        text = read_env_file(Path(".env"))
    except (FileNotFoundError, SettingsError):
        # load_settings says what is wrong with it.
        return
    readings = dagster_readings(text)
    # A variable with another value was set on purpose, after the file was read.
    from_file = {name for name, values in readings.items() if os.environ.get(name) in values}
    if not from_file:
        return
    at_start = _environment_at_start()
    if at_start is None:
        if is_overlaid(os.environ, readings):
            _warn(
                from_file,
                "This system does not tell what Dagster's services were started with, so the file goes before the"
                " environment there.",
            )
        return
    replaced = {
        name: at_start[name]
        for name in from_file
        if at_start.get(name, os.environ[name]) != os.environ[name] and at_start[name]
    }
    if replaced.pop(_USED_BEFORE, None):
        _warn({_USED_BEFORE}, "Dagster's services had used the value from the file before this could be noticed.")
    os.environ.update(replaced)


def _environment_at_start() -> Mapping[str, str] | None:
    """The environment that this process was started with; None where the system does not tell."""
    try:
        content = _ENVIRONMENT_AT_START.read_bytes()
    except OSError:
        return None
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def _warn(names: set[str], why: str) -> None:
    text = f"{why} Set these in one of the two only, or to the same value: {', '.join(sorted(names))}."
    log_once(_log, logging.WARNING, f"{Path('.env').absolute()} and the environment: {text}")
