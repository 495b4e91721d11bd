"""What the files held that a load of the code was about to read: so that whoever keeps the code server sees when one
was mended.

The variable names the file for it, and goes no further: what a run loads says nothing about the code server.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "AGGREGATION_LOADING"


def note(*files: Path) -> None:
    """Write down what the files hold, where somebody has asked for it; to be called before they are read."""
    if place := os.environ.get(VARIABLE):
        with suppress(OSError):
            Path(place).write_text(json.dumps(held(map(str, files))), encoding="utf-8")


def done() -> None:
    """Have no child of this process write there."""
    os.environ.pop(VARIABLE, None)


def noted(place: Path) -> dict[str, str | None]:
    """What the last load wrote down; nothing where there was none."""
    with suppress(OSError, ValueError):
        found: dict[str, str | None] = json.loads(place.read_text(encoding="utf-8"))
        return found
    return {}


def held(files: Iterable[str]) -> Mapping[str, str | None]:
    """A digest of what each file holds; None for one that cannot be read."""
    return {file: _digest(Path(file)) for file in files}


def _digest(file: Path) -> str | None:
    with suppress(OSError):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return None
