"""A file that is being fetched: it has a hidden name until it is whole.

If the process is killed, the next download into the same folder removes what it left.
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
    """Open a file that takes the place of `target` when the body ends well, and vanishes when it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target.parent)
    file, unfinished = None, target
    while file is None:
        unfinished = target.with_name(f".%got-{secrets.token_hex(8)}")
        file = claim(unfinished)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # Before the file is closed: without our lock another process may take it for a leftover.
            unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    for entry in os.scandir(folder):
        if _UNFINISHED.fullmatch(entry.name) and (left := take_over(Path(entry.path))) is not None:
            with left:
                Path(entry.path).unlink(missing_ok=True)
