"""Keeps our files out of two folders that Dagster's telemetry empties.

Webserver and daemon rename $DAGSTER_HOME/logs to .logs_queue, send each file in it to Dagster's telemetry address and
delete it, whatever `telemetry:` in dagster.yaml says. Only the variable DAGSTER_DISABLE_TELEMETRY stops them; any value
does, even an empty one. instance/storage.py sets it in each process before its telemetry starts.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.messages.listing import some_of

VARIABLE: Final = "DAGSTER_DISABLE_TELEMETRY"
_SENT: Final = "logs"
_QUEUE: Final = ".logs_queue"
_SETS_IT: Final = "aggregation_pipeline.instance.storage"


def folder_problems(folders: Mapping[str, Path]) -> Iterator[str]:
    """What is wrong with those of our folders, by the names of their variables, whose files Dagster would send away."""
    home = _dagster_home()
    for name, folder in folders.items():
        if _within(folder, home / _QUEUE):
            yield (
                f"{name} leads into {home / _QUEUE}, from where Dagster's webserver and daemon send files to Dagster's"
                " telemetry and delete them. Choose another folder"
            )
        elif _within(folder, home / _SENT) and not _is_off(home):
            yield (
                f"{name} leads into {home / _SENT}, whose files Dagster's webserver and daemon send to Dagster's"
                f" telemetry and delete, and nothing keeps them from it here. Set {VARIABLE}=1 in the environment of"
                " all of Dagster's services, take `storage:` of this project's dagster.yaml, which sets it, or choose"
                " another folder"
            )


def queued_files_warning() -> str:
    """A warning about files that telemetry has taken and not sent yet; empty where there are none."""
    home = _dagster_home()
    queue = home / _QUEUE
    try:
        names = sorted(entry.name for entry in queue.iterdir())
    except OSError:
        return ""
    if not names:
        return ""
    return (
        f"{queue} holds {some_of(names, 3)}: Dagster's telemetry has moved files of {home / _SENT} there to send them"
        f" away. They stay there now. To restore them: mkdir -p {home / _SENT} && mv -n {queue}/* {home / _SENT}/"
    )


def _dagster_home() -> Path:
    # The folder that Dagster takes.
    return Path(os.environ.get("DAGSTER_HOME") or "~/.dagster").expanduser().absolute()


def _is_off(home: Path) -> bool:
    """Whether telemetry is switched off in the services of this deployment."""
    if VARIABLE in os.environ:
        return True
    for name in ("dagster.yaml", "dagster.yml"):
        try:
            return _SETS_IT in (home / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            return False
    return False


def _within(folder: Path, taken: Path) -> bool:
    """Whether `folder` is `taken` or lies below it, through any links and in any spelling."""
    real = folder.absolute().resolve()
    if real.is_relative_to(taken.resolve()):
        return True
    # The file system may ignore the case of letters, or be mounted twice.
    return any(parent.exists() and taken.exists() and parent.samefile(taken) for parent in (real, *real.parents))
