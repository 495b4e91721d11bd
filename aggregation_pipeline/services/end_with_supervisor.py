"""A service that ends when its supervisor ends, even if the supervisor is killed.

    python -m aggregation_pipeline.services.end_with_supervisor CLAIM SECONDS MODULE [ARGUMENT ...]

runs the module as `python -m MODULE` would. Standard input must be a pipe whose other end only the supervisor holds:
the kernel closes it when the supervisor ends. Then the service is interrupted as by Ctrl-C, and killed if it is still
there after SECONDS. With 0 it is not killed, so that it can finish its work. The claimed file `CLAIM.<process id>`
shows that the service runs.
"""

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aggregation_pipeline.services.running_versions import note_versions
from aggregation_pipeline.tempfiles.owner_lock import claim


@contextmanager
def supervisor_lifeline() -> Iterator[int]:
    """Yield what the supervisor's services get as standard input: a pipe that is closed when this process ends."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(theirs)
        os.close(ours)


def command_that_ends(claim_file: Path, seconds: float, module: Sequence[str]) -> list[str]:
    """Return the command that runs a module, with its arguments, as a service that ends with its supervisor."""
    return [sys.executable, "-m", __name__, str(claim_file), str(seconds), *module]


def _main() -> None:
    claim_file, seconds, module, *arguments = sys.argv[1:]
    own_claim = Path(f"{claim_file}.{os.getpid()}")
    # A killed service may have left it, whose process id was free again.
    own_claim.unlink(missing_ok=True)
    # Held until the process ends.
    claimed = claim(own_claim)
    if claimed is None:
        return
    note_versions(claimed)
    supervisor = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    watch = threading.Thread(
        target=_end_with, args=(supervisor, threading.get_ident(), float(seconds)), name="supervisor watch", daemon=True
    )
    watch.start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(supervisor: int, main_thread: int, seconds: float) -> None:
    while os.read(supervisor, 1):
        pass
    signal.pthread_kill(main_thread, signal.SIGINT)
    if seconds:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _main()
