"""One order everywhere: the environment goes before `.env`.

Dagster's services lay `.env` over their environment before any code of ours runs. What this process was started with
still stands in /proc/self/environ; where the file has covered some of it, it is put back. A child is started with what
its parent's environment holds by then, so it inherits what the parent has put back, and the same is done again in the
child, which has laid the file over it anew.
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
_STARTED_WITH: Final = Path("/proc/self/environ")
# Dagster has opened what it names by the time that anything can be put back.
_USED_BEFORE: Final = "DAGSTER_HOME"


def restore_environment() -> None:
    """Give variables that `.env` in the working folder has covered in os.environ their values of before; others are
    left alone.
    """
    try:
        text = read_env_file(Path(".env"))
    except (FileNotFoundError, SettingsError):
        # Whoever reads settings says what is wrong with it.
        return
    readings = dagster_readings(text)
    # A variable with another value was set after the file was read, by somebody who meant it.
    covered = {name for name, values in readings.items() if os.environ.get(name) in values}
    if not covered:
        return
    before = _started_with()
    if before is None:
        if is_overlaid(os.environ, readings):
            _warn(
                covered,
                "This system does not tell what Dagster's services were started with, so the file goes before the"
                " environment there.",
            )
        return
    hidden = {
        name: before[name]
        for name in covered
        if before.get(name, os.environ[name]) != os.environ[name] and before[name]
    }
    if hidden.pop(_USED_BEFORE, None):
        _warn({_USED_BEFORE}, "Dagster's services have used the file's before it could be told.")
    os.environ.update(hidden)


def _started_with() -> Mapping[str, str] | None:
    """The environment that this process was started with; None where the system does not tell."""
    try:
        content = _STARTED_WITH.read_bytes()
    except OSError:
        return None
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def _warn(names: set[str], why: str) -> None:
    text = f"{why} Set these in one of the two only, or to the same value: {', '.join(sorted(names))}."
    log_once(_log, logging.WARNING, f"{Path('.env').absolute()} and the environment: {text}")
