"""A file that is being fetched: under a hidden name until it is whole, and gone with the next one when its process was
killed.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aggregation_pipeline.tempfiles.owner_lock import claim, take_over

_UNFINISHED = re.compile(r"\.%got-[0-9a-f]{16}")


@contextmanager
def partial_download(target: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `target` when the body ends well and vanishes when it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    file, unfinished = None, target
    while file is None:
        unfinished = target.with_name(f".%got-{secrets.token_hex(8)}")
        file = claim(unfinished)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # While it is still ours: a moment later somebody might take it for left.
            unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    for entry in os.scandir(folder):
        if _UNFINISHED.fullmatch(entry.name) and (left := take_over(Path(entry.path))) is not None:
            with left:
                Path(entry.path).unlink(missing_ok=True)
