"""The configuration that a code server has loaded, passed on to the processes that it starts.

Each run has its own process, which builds the definitions again. It has to use the configuration that its code server
shows, not an aggregation.yaml or a `.env` that somebody is changing meanwhile. So the first process that loads the file
keeps a copy, named by its content, and a variable tells its children where the copy is. The values of `.env` go into
the environment. Processes that inherit neither (on another machine, from a terminal) read the files themselves.
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
from typing import Any, Final

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.settings.environment import read_environment
from aggregation_pipeline.settings.value_files import hand_down

_log = logging.getLogger(__name__)

VARIABLE: Final = "AGGREGATION_LOADED"
# A copy may be needed though nobody has it open: its code server has died, and the run that it started has not read
# the copy yet.
_OLD_SECONDS: Final = 86_400
# Descriptors, open for as long as this process lives, which shows others that the copy is in use.
_in_use: list[int] = []


def pass_on_environment(names: Iterable[str]) -> None:
    """Put the values of the variables `names`, those from `.env` too, into the environment that children inherit.

    The children do not read the file again.

    Raises:
        SettingsError: as for `read_environment`.
    """
    hand_down(os.environ, read_environment(names))
    os.environ["AGGREGATION_ENV_FILE"] = os.devnull


def loaded_config_text(path: Path, folder: Path) -> bytes | None:
    """The content of aggregation.yaml at `path` that this process has to use; copies are kept in `folder`.

    None where the file cannot be read: load_usable_config says why.

    Raises:
        ConfigError: the copy that this process was started with is gone, and the file has changed since.
    """
    path = path.absolute()
    if (inherited := _inherited(path)) is not None:
        return _read_copy(path, Path(inherited["copy"]))
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        copy = _keep_copy(content, folder.absolute() / "loaded")
    except OSError as error:
        _log.warning(
            "No copy of %s can be kept in %s (%s): each run reads the file as it is when the run starts",
            path,
            folder,
            error.strerror,
        )
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = json.dumps({"process": os.getpid(), "config": str(path), "copy": str(copy)})
    return content


def _inherited(path: Path) -> dict[str, Any] | None:
    """What the process that started this one says about this file."""
    with suppress(ValueError, TypeError, LookupError):
        record: dict[str, Any] = json.loads(os.environ[VARIABLE])
        if record["process"] != os.getpid() and record["config"] == str(path) and record["copy"]:
            return record
    return None


def _read_copy(path: Path, copy: Path) -> bytes:
    for place in (copy, path):
        with suppress(OSError):
            content = place.read_bytes()
            if _file_name(content) == copy.name:
                if place is copy:
                    _mark_in_use(copy)
                return content
    raise ConfigError(
        f"{path} has changed since the code server loaded it, and the copy that it kept for its runs, {copy}, is gone."
        " Reload the code location, and keep others from deleting files in TEMP_DIR"
    )


def _keep_copy(content: bytes, folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = folder / _file_name(content)
    if not (copy.is_file() and _file_name(copy.read_bytes()) == copy.name):
        new = copy.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        new.replace(copy)
    os.utime(copy)
    _mark_in_use(copy)
    _delete_old_copies(folder)
    return copy


def _mark_in_use(copy: Path) -> None:
    descriptor = os.open(copy, os.O_RDONLY)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _in_use.append(descriptor)


def _delete_old_copies(folder: Path) -> None:
    """Delete copies that no process uses any more."""
    for old in folder.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _OLD_SECONDS:
                with old.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    old.unlink()


def _file_name(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}.yaml"
