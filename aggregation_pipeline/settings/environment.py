"""The variables of this process, and those of `.env` where the environment has none.

Dagster's services write `.env` over their environment before any code of ours runs, and they read it by other rules:
python-dotenv expands `${...}`, keeps backquotes and does not know `NAME: value`. So we compare. Where most variables
hold exactly what python-dotenv makes of the file, they came from the file, and we read them from the file ourselves.
Every other variable was set by somebody, and goes before the file as usual.
"""

import io
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file
from aggregation_pipeline.settings.log_once import log_once
from aggregation_pipeline.settings.value_files import hand_down, is_read, read_value_files

_log = logging.getLogger(__name__)

# So many processes, each the child of the one before, write the file over their environment: `dagster dev`, its
# daemon, the code server, a run.
_PROCESSES: Final = 4
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def read_environment(names: Iterable[str], own: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """The values of the variables `names`, which are in small letters. An empty variable counts as not set.

    The case of a variable's name does not matter. The file is `.env` in the working folder, or the one that
    AGGREGATION_ENV_FILE names. NAME_FILE in either of them names a file that holds the value of NAME.

    Args:
        names: what is asked for.
        own: variables in small letters, NAME_FILE among them, that take the place of those that are set; an empty one
            takes it away.

    Raises:
        SettingsError: the file cannot be read, is not UTF-8, or has lines that are no assignments; NAME and NAME_FILE
            are both set, or what NAME_FILE names cannot be used.
    """
    names = list(names)
    merged, where = _all_variables(own)
    files = read_value_files([name for name in names if not is_read(name, own)], merged, where)
    return {name: merged[name] for name in names if name in merged} | files


def resolve_value_files(names: Iterable[str]) -> None:
    """Put those of the variables `names`, in capitals, that a file holds into os.environ, for code that looks there.

    Raises:
        SettingsError: NAME and NAME_FILE are both set, or what NAME_FILE names cannot be used.
    """
    try:
        merged, where = _all_variables()
    except SettingsError:
        # load_settings says what is wrong with .env.
        return
    found = [name.lower() for name in names if not is_read(name)]
    hand_down(os.environ, read_value_files(found, merged, where))


def _all_variables(own: Mapping[str, str] = NOTHING) -> tuple[dict[str, str], dict[str, str]]:
    """All variables that are set, by their names in small letters, and the place where each is set."""
    path, text, in_file = _read_file()
    environment = {name: value for name, value in os.environ.items() if value}
    readings = dagster_readings(text)
    if is_overlaid(environment, readings):
        environment |= {name: value for name, value in in_file.items() if environment.get(name) in readings[name]}
    _warn_of_other_readings(path, tuple(sorted(name for name, value in in_file.items() if readings[name] != {value})))
    merged: dict[str, str] = {}
    where: dict[str, str] = {}
    # Names in small letters come first, so that the usual spelling in capitals wins where both are set.
    for place, part in ((str(path), in_file), ("the environment", environment)):
        set_here = {name.lower(): value for name, value in sorted(part.items(), reverse=True) if value}
        merged |= set_here
        where |= dict.fromkeys(set_here, place)
    for name in own:
        for replaced in (name, f"{name}_file", name.removesuffix("_file")):
            merged.pop(replaced, None)
    given = {name: value for name, value in own.items() if value}
    return merged | given, where | dict.fromkeys(given, "settings")


def env_file() -> Path:
    """The file: `.env` in the working folder, or the one that AGGREGATION_ENV_FILE names."""
    return Path(os.environ.get("AGGREGATION_ENV_FILE") or ".env").absolute()


def variables_of_file() -> Mapping[str, str]:
    """The variables of that file as they are written there, whatever the environment says.

    Raises:
        SettingsError: as for `read_environment`.
    """
    return _read_file()[2]


def names_of_set_variables(own: Mapping[str, str] = NOTHING) -> list[str]:
    """The names of all variables that are set, in the environment, in the file or in `own`, in capitals.

    Raises:
        SettingsError: as for `read_environment`.
    """
    parts = (_read_file()[2], os.environ, own)
    return sorted({name.upper() for part in parts for name, value in part.items() if value})


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
    """The values that Dagster's services may give each variable of the file.

    `${...}` is expanded by the environment of today, or by the one that was there before the file was read.
    """
    if not text:
        return {}
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    bindings = [
        (binding.key, binding.value)
        for binding in parse_stream(io.StringIO(text))
        if binding.key and binding.value is not None
    ]
    written = {name for name, _ in bindings}
    found: dict[str, set[str]] = defaultdict(set)
    for before in (os.environ, {name: value for name, value in os.environ.items() if name not in written}):
        seen = dict(before)
        for _ in range(_PROCESSES):
            for name, value in bindings:
                seen[name] = "".join(atom.resolve(seen) for atom in parse_variables(value))
            for name in written:
                found[name].add(seen[name])
    return found


def is_overlaid(environment: Mapping[str, str], readings: Mapping[str, set[str]]) -> bool:
    """Whether Dagster has written the file over the environment.

    Dagster writes the whole file, while a person sets one or two of its variables. So more of them have the value that
    Dagster reads than are missing. A variable with another value proves nothing: its value may have been restored.
    """
    as_read = sum(environment.get(name, "") in values for name, values in readings.items())
    missing = sum(not environment.get(name) and values != {""} for name, values in readings.items())
    return as_read > missing


def _warn_of_other_readings(path: Path, names: tuple[str, ...]) -> None:
    """Name the variables that other programs read differently, never their values."""
    if names:
        log_once(
            _log,
            logging.WARNING,
            f"{path}: Dagster's own services, and code that asks os.environ, see another value of {', '.join(names)}"
            " than this project, which takes values as written, as Node's dotenv does: nothing is expanded, an"
            " unquoted # begins a comment, backquotes are quotes, NAME: value is an assignment. Double quotes without"
            " ${...} and backslashes are read alike by all; else set it in the environment.",
        )
