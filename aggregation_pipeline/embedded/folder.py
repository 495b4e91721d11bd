"""Where a server lives on disk: one folder, stamped when it is whole, set aside when another version made it."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from aggregation_pipeline.errors import PipelineError

STAMP = "made-by"
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL and the socket's own name included.
SOCKET_PATH_BYTES = 100
_ALIAS = "aggregation-pipeline-"


def prepare(home: Path, version: str, report: Callable[[str], None]) -> bool:
    """Make `home` ready for a server of `version`; True when it has to be initialised.

    A folder without a stamp is a start that was cut short: it holds nothing worth keeping. A folder of another version
    is kept under another name, because data files are readable by the version that wrote them only.
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


def mark_whole(home: Path, version: str) -> None:
    (home / STAMP).write_text(version + "\n")


def set_aside(home: Path, why: str, report: Callable[[str], None]) -> None:
    """Rename `home` to `<home>.old`, in place of an earlier one."""
    old = home.with_name(home.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    home.rename(old)
    report(f"{home} begins anew: {why}. What it held is in {old.name}; delete it when you do not miss it.")


def short_alias(directory: Path, socket_name: str) -> Path:
    """`directory`, or a short symbolic link to it where a unix socket's path would be too long.

    The link's name follows from the directory, so that a killed process leaves one link, not one a start.
    """
    if len(os.fsencode(directory / socket_name)) <= SOCKET_PATH_BYTES:
        return directory
    alias = Path(tempfile.gettempdir()) / f"{_ALIAS}{path_hash(directory)}"
    if not alias.is_symlink():
        alias.symlink_to(directory, target_is_directory=True)
    # Anyone may write in the temporary folder: a link that somebody else laid there could lead to somebody else's
    # server.
    if alias.lstat().st_uid != os.geteuid() or alias.readlink() != directory:
        raise PipelineError(
            f"{alias} belongs to somebody else, and is needed because {directory} is too long for a socket: remove it."
        )
    return alias


def remove_alias(directory: Path) -> None:
    """Take away what `short_alias` made, if it made something."""
    if directory.is_symlink() and directory.name.startswith(_ALIAS):
        directory.unlink()


def path_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]
