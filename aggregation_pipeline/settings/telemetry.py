"""Two folders that Dagster takes for its own: what its telemetry is to send, and what it is sending.

Webserver and daemon rename $DAGSTER_HOME/logs to .logs_queue, send each file in it to Dagster's telemetry address and
delete it, whatever `telemetry:` in dagster.yaml says. Only the variable DAGSTER_DISABLE_TELEMETRY stops them, with any
value, an empty one too; instance/storage.py sets it in each of them before they begin.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "DAGSTER_DISABLE_TELEMETRY"
_SENT: Final = "logs"
_QUEUE: Final = ".logs_queue"
_SETS_IT: Final = "aggregation_pipeline.instance.storage"


def folder_problems(folders: Mapping[str, Path]) -> Iterator[str]:
    """Why those of our folders, by the names of their variables, that would be sent away would be."""
    home = _home()
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
    """What to say of files that telemetry has taken and not sent yet; empty where there are none."""
    home = _home()
    queue = home / _QUEUE
    try:
        names = sorted(entry.name for entry in queue.iterdir())
    except OSError:
        return ""
    if not names:
        return ""
    some = f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if names[3:] else ''}"
    return (
        f"{queue} holds {some}: Dagster's telemetry has taken files of {home / _SENT} there to send them away. They"
        f" stay now. To have them back: mkdir -p {home / _SENT} && mv -n {queue}/* {home / _SENT}/"
    )


def _home() -> Path:
    # As Dagster finds it.
    return Path(os.environ.get("DAGSTER_HOME") or "~/.dagster").expanduser().absolute()


def _is_off(home: Path) -> bool:
    """Whether the services of this deployment send nothing."""
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
    """Whether `folder` is `taken` or lies below it, by whatever links and spellings."""
    real = folder.absolute().resolve()
    if real.is_relative_to(taken.resolve()):
        return True
    # A file system that does not tell capitals from small letters, or is mounted twice.
    return any(parent.exists() and taken.exists() and parent.samefile(taken) for parent in (real, *real.parents))
