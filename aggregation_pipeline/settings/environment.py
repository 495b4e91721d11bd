"""The variables of this process, and below them those of `.env`, each as it stands in the file.

Dagster's services lay `.env` over their environment before any code of ours runs, and by other rules: python-dotenv
expands `${...}`, keeps backquotes and does not know `NAME: value`. So where most of the variables hold just what
python-dotenv makes of the file, they came from the file, and their values are taken from there; every other variable
was set by somebody and goes before the file, as ever.
"""

import io
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file
from aggregation_pipeline.settings.log_once import log_once

_log = logging.getLogger(__name__)

# `dagster dev` lays the file over the environment, then its webserver, daemon and code server do, and then a run's
# process.
_LAYERS = 4


def read_environment(names: Iterable[str]) -> dict[str, str]:
    """The values of the variables among `names`, which are in small letters; empty ones count as not set, and case does
    not matter.

    The file is `.env` in the working folder, or the one that AGGREGATION_ENV_FILE names.

    Raises:
        SettingsError: the file cannot be read, is not UTF-8, or has lines that are no assignments.
    """
    path, text, standing = _read_file()
    environment = {name: value for name, value in os.environ.items() if value}
    read_by_dagster = dagster_readings(text)
    if is_overlaid(environment, read_by_dagster):
        environment |= {
            name: value for name, value in standing.items() if environment.get(name) in read_by_dagster[name]
        }
    _tell(path, tuple(sorted(name for name, value in standing.items() if read_by_dagster[name] != {value})))
    # Small letters first, so that the usual spelling wins where both are there.
    both = {
        name.lower(): value
        for part in (standing, environment)
        for name, value in sorted(part.items(), reverse=True)
        if value
    }
    return {name: both[name] for name in names if name in both}


def env_file() -> Path:
    """The file: `.env` in the working folder, or the one that AGGREGATION_ENV_FILE names."""
    return Path(os.environ.get("AGGREGATION_ENV_FILE") or ".env").absolute()


def names_of_set_variables() -> list[str]:
    """The names of all variables that are set, here or in the file, in capitals.

    Raises:
        SettingsError: as for `read_environment`.
    """
    return sorted({name.upper() for part in (_read_file()[2], os.environ) for name, value in part.items() if value})


def _read_file() -> tuple[Path, str, dict[str, str]]:
    path = env_file()
    try:
        text = read_env_file(path)
    except FileNotFoundError:
        if os.environ.get("AGGREGATION_ENV_FILE"):
            raise SettingsError(f"AGGREGATION_ENV_FILE names {path}, and there is no such file") from None
        text = ""
    return path, text, parse_env_file(text, path)


def dagster_readings(text: str) -> Mapping[str, set[str]]:
    """What Dagster's services may make of each variable of the file: expanded in this environment, or in the one before
    the file came.
    """
    bindings = [
        (binding.key, binding.value)
        for binding in parse_stream(io.StringIO(text))
        if binding.key and binding.value is not None
    ]
    written = {name for name, _ in bindings}
    found: dict[str, set[str]] = defaultdict(set)
    for before in (os.environ, {name: value for name, value in os.environ.items() if name not in written}):
        seen = dict(before)
        for _ in range(_LAYERS):
            for name, value in bindings:
                seen[name] = "".join(atom.resolve(seen) for atom in parse_variables(value))
            for name in written:
                found[name].add(seen[name])
    return found


def is_overlaid(environment: Mapping[str, str], read_by_dagster: Mapping[str, set[str]]) -> bool:
    """Whether Dagster has laid the file over the environment, which it does with the whole: who sets a variable or two
    sets no more.

    A variable that has another value says nothing: it may have been put back.
    """
    same = sum(environment.get(name, "") in readings for name, readings in read_by_dagster.items())
    return same > sum(not environment.get(name) and readings != {""} for name, readings in read_by_dagster.items())


def _tell(path: Path, names: tuple[str, ...]) -> None:
    """Say which variables others see differently; never their values."""
    if names:
        log_once(
            _log,
            logging.WARNING,
            f"{path}: Dagster's own services, and code that asks os.environ, see another value of {', '.join(names)}"
            " than this project, which takes values as they stand, as Node's dotenv does: nothing is expanded, an"
            " unquoted # begins a comment, backquotes are quotes, NAME: value is an assignment. Double quotes without"
            " ${...} and backslashes are read alike by all; else set it in the environment.",
        )
