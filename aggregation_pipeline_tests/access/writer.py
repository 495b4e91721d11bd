"""Processes that change a file of accounts, for tests that let several do so, or kill one.

python -m aggregation_pipeline_tests.access.writer add FILE NAME COUNT
python -m aggregation_pipeline_tests.access.writer hang FILE NAME before|after
"""

import os
import sys
import time
from pathlib import Path

from aggregation_pipeline.access.editing import add_user
from aggregation_pipeline.access.roles import Role


def add(path: Path, name: str, count: int) -> None:
    for number in range(count):
        add_user(path, f"{name}{number}", Role.VIEWER, None)


def hang(path: Path, name: str, when: str) -> None:
    """Add a user, and stand still before or after the file is replaced."""
    fsync = os.fsync
    calls = iter(("before", "after"))

    def stand_still(descriptor: int) -> None:
        fsync(descriptor)
        if next(calls) == when:
            print("hangs", flush=True)
            time.sleep(600)

    os.fsync = stand_still  # type: ignore[assignment]
    add_user(path, name, Role.VIEWER, None)


if __name__ == "__main__":
    what, file, user, rest = sys.argv[1:]
    if what == "add":
        add(Path(file), user, int(rest))
    else:
        hang(Path(file), user, rest)
