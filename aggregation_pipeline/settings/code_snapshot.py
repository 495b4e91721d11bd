"""What a code server has loaded, handed on to the processes that it starts.

Each run has a process of its own, which builds the definitions anew. It has to work with what its code server shows:
not with an aggregation.yaml, or a `.env`, that somebody has begun to change since. So whoever loads first keeps a copy
of the file, named by its content, and says in a variable where it is; what `.env` gave stands in the environment from
then on. Processes that inherit neither (on another machine, from a terminal) read the files themselves.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.settings.environment import read_environment

_log = logging.getLogger(__name__)

VARIABLE: Final = "AGGREGATION_LOADED"
# A process that was just started may not have opened its copy yet when the server that started it has died.
_OLD_SECONDS: Final = 86_400
# Open as long as this process lives: a copy that somebody has open is in use.
_in_use: list[IO[bytes]] = []


def pass_on_environment(names: Iterable[str]) -> None:
    """Put into the environment what the variables `names` are set to here, `.env` included, and have no child read that
    file again.

    Raises:
        SettingsError: as for `read_environment`.
    """
    os.environ.update({name.upper(): value for name, value in read_environment(names).items()})
    os.environ["AGGREGATION_ENV_FILE"] = os.devnull


def loaded_config_text(path: Path, folder: Path) -> bytes | None:
    """The content of aggregation.yaml at `path` that this process has to work with; copies lie in `folder`.

    None where the file cannot be read: who reads it next says why.

    Raises:
        ConfigError: the copy that this process was started with is gone, and the file is another by now.
    """
    path = path.absolute()
    if (given := _given(path)) is not None:
        return _inherited(path, Path(given["copy"]))
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        copy = _keep(content, folder.absolute() / "loaded")
    except OSError as error:
        _log.warning(
            "No copy of %s can be kept in %s (%s): each run reads the file as it is by then",
            path,
            folder,
            error.strerror,
        )
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = json.dumps({"process": os.getpid(), "config": str(path), "copy": str(copy)})
    return content


def _given(path: Path) -> dict[str, Any] | None:
    """What another process has handed on to this one about this file."""
    with suppress(ValueError, TypeError, LookupError):
        given: dict[str, Any] = json.loads(os.environ[VARIABLE])
        if given["process"] != os.getpid() and given["config"] == str(path) and given["copy"]:
            return given
    return None


def _inherited(path: Path, copy: Path) -> bytes:
    for place in (copy, path):
        with suppress(OSError):
            content = place.read_bytes()
            if _named(content) == copy.name:
                if place is copy:
                    _hold(copy)
                return content
    raise ConfigError(
        f"{path} has changed since the code server loaded it, and the copy that it kept for its runs, {copy}, is gone."
        " Reload the code location, and keep others from deleting files in TEMP_DIR"
    )


def _keep(content: bytes, folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = folder / _named(content)
    if not (copy.is_file() and _named(copy.read_bytes()) == copy.name):
        new = copy.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        new.replace(copy)
    os.utime(copy)
    _hold(copy)
    _sweep(folder)
    return copy


def _hold(copy: Path) -> None:
    file = copy.open("rb")
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _in_use.append(file)


def _sweep(folder: Path) -> None:
    """Delete copies that nobody uses any more."""
    for old in folder.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _OLD_SECONDS:
                with old.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    old.unlink()


def _named(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}.yaml"
