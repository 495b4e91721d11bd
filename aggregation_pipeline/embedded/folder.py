"""The folder of an embedded server: stamped when it is complete, set aside if another version made it."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from aggregation_pipeline.errors import PipelineError

STAMP = "made-by"
# The path of a unix socket holds 108 bytes on Linux and 104 on macOS, with its own name and the closing NUL.
SOCKET_PATH_BYTES = 100
_ALIAS = "aggregation-pipeline-"


def prepare(home: Path, version: str, report: Callable[[str], None]) -> bool:
    """Make `home` ready for a server of `version`; return whether it has to be initialised.

    A folder without a stamp comes from a start that was interrupted, and holds nothing worth keeping. A folder of
    another version is kept under another name, because only the version that wrote data files can read them.
    """
    if not home.exists():
        home.mkdir(parents=True)
        return True
    if not (stamp := home / STAMP).exists():
        shutil.rmtree(home)
        home.mkdir()
        return True
    if (found := stamp.read_text().strip()) != version:
        set_aside(home, f"it was made by {found}, and this is {version}", report)
        home.mkdir()
        return True
    return False


def mark_complete(home: Path, version: str) -> None:
    """Stamp `home` as a complete folder of this version."""
    (home / STAMP).write_text(version + "\n")


def set_aside(home: Path, why: str, report: Callable[[str], None]) -> None:
    """Rename `home` to `<home>.old`, and delete an earlier one."""
    old = home.with_name(home.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    home.rename(old)
    report(f"{home} is made anew: {why}. Its former content is in {old.name}; delete that if you do not need it.")


def short_alias(directory: Path, socket_name: str) -> Path:
    """Return `directory`, or a short symbolic link to it if the path of a unix socket in it would be too long.

    The link's name is derived from the directory, so that killed processes leave one link at most.
    """
    if len(os.fsencode(directory / socket_name)) <= SOCKET_PATH_BYTES:
        return directory
    alias = Path(tempfile.gettempdir()) / f"{_ALIAS}{path_hash(directory)}"
    if not alias.is_symlink():
        alias.symlink_to(directory, target_is_directory=True)
    # Anyone may write in the temporary folder: somebody else's link could lead to somebody else's server.
    if alias.lstat().st_uid != os.geteuid() or alias.readlink() != directory:
        raise PipelineError(
            f"{alias} belongs to somebody else, and is needed because {directory} is too long for a socket: remove it."
        )
    return alias


def remove_alias(directory: Path) -> None:
    """Remove the link that `short_alias` made, if it made one."""
    if directory.is_symlink() and directory.name.startswith(_ALIAS):
        directory.unlink()


def path_hash(path: Path) -> str:
    """Return a short hash of the absolute path."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]
