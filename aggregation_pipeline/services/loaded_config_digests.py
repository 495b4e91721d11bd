"""Digests of the configuration files as they were when the code was loaded, in a record on disk.

Whoever keeps the code server sees from it that a file was corrected after a load that failed. The variable that names
the record is removed after the load: what a run loads says nothing about the code server.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "AGGREGATION_LOADING"


def write_record(*files: Path) -> None:
    """Write down what the files hold, if VARIABLE names a record. Call this before the files are read."""
    if record := os.environ.get(VARIABLE):
        with suppress(OSError):
            Path(record).write_text(json.dumps(digests(map(str, files))), encoding="utf-8")


def forget_record() -> None:
    """Keep the children of this process from writing the record."""
    os.environ.pop(VARIABLE, None)


def read_record(record: Path) -> dict[str, str | None]:
    """Return what the last load wrote down; nothing if there was none."""
    with suppress(OSError, ValueError):
        found: dict[str, str | None] = json.loads(record.read_text(encoding="utf-8"))
        return found
    return {}


def digests(files: Iterable[str]) -> Mapping[str, str | None]:
    """Return a digest of each file's content; None for a file that cannot be read."""
    return {file: _digest(Path(file)) for file in files}


def _digest(file: Path) -> str | None:
    with suppress(OSError):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return None
