"""Puts both files where they belong: both of them or none, and nothing that is there is overwritten unasked."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.errors import ConfigError, ImportNodeError
from aggregation_pipeline.node_import.importing import Imported

_PRIVATE: Final = 0o600
_READABLE: Final = 0o644


def write_project(imported: Imported, folder: Path, *, force: bool, node_project: Path | None) -> Sequence[Path]:
    """Write `aggregation.yaml` and `.env` into the folder, which is made if it is not there.

    Raises:
        ImportNodeError: a file is there already, the folder is that of the Node service, or it cannot be written.
    """
    target = folder.resolve()
    if node_project is not None and target == node_project.resolve():
        raise ImportNodeError(
            f"{folder} is the folder of the Node service, whose own .env would be lost. Name another one with --output"
        )
    paths = {folder / "aggregation.yaml": (imported.yaml, _READABLE), folder / ".env": (imported.env, _PRIVATE)}
    there = [str(path) for path in paths if os.path.lexists(path)]
    if there and not force:
        raise ImportNodeError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already. Name another folder with"
            " --output, or add --force to replace what is there"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-node-", dir=folder) as temporary:
            made = _prepared(Path(temporary), paths)
            # What could not be loaded is not put in force.
            _load(made[folder / "aggregation.yaml"], folder / "aggregation.yaml")
            _replace(Path(temporary), made)
    except OSError as error:
        raise ImportNodeError(f"{folder} cannot be written ({error.strerror})") from None
    return list(paths)


def _load(new: Path, place: Path) -> None:
    try:
        load_config(new)
    except ConfigError as error:
        raise ImportNodeError(
            f"What the rules come to cannot be used, and nothing is written. {str(error).replace(str(new), str(place))}"
        ) from None


def _prepared(temporary: Path, paths: Mapping[Path, tuple[str, int]]) -> dict[Path, Path]:
    """The new files, complete on the disk, by the places that they are for."""
    made = {}
    for path, (text, mode) in paths.items():
        new = temporary / f"new{path.name}"
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline="\n"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        made[path] = new
    return made


def _replace(temporary: Path, made: Mapping[Path, Path]) -> None:
    """Put the new files in place; if one cannot be, all that was there before is put back."""
    before: dict[Path, Path | None] = {}
    try:
        for path, new in made.items():
            # A symlink stays one: what it leads to is replaced.
            place = path.resolve()
            old = temporary / f"old{path.name}"
            before[place] = None
            if place.exists():
                os.link(place, old)
                before[place] = old
            new.replace(place)
    except OSError:
        for place, kept in before.items():
            with suppress(OSError):
                place.unlink() if kept is None else kept.replace(place)
        raise
