"""A service that ends when its supervisor does, however that one ends.

    python -m aggregation_pipeline.services.end_with_supervisor PLACE SECONDS MODULE [ARGUMENT ...]

runs the module as `python -m MODULE` would. Standard input has to be a pipe whose other end the supervisor alone holds:
the kernel closes it with the supervisor, killed or not. The service is then interrupted as by Ctrl-C, and killed when
it is there SECONDS later; 0 is for one that has work to end, for which it takes its time. The claimed file
`PLACE.<process>` shows that it lives.
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

from aggregation_pipeline.tempfiles.owner_lock import claim


@contextmanager
def end_with_supervisor() -> Iterator[int]:
    """For the supervisor: what its services get as standard input. It ends when this process does."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(theirs)
        os.close(ours)


def tied(place: Path, seconds: float, module: Sequence[str]) -> list[str]:
    """The command that runs a module with its arguments in this way."""
    return [sys.executable, "-m", __name__, str(place), str(seconds), *module]


def _main() -> None:
    place, seconds, module, *arguments = sys.argv[1:]
    mine = Path(f"{place}.{os.getpid()}")
    # Of a service that was killed, whose number was free again.
    mine.unlink(missing_ok=True)
    held = claim(mine)
    if held is None:
        return
    supervisor = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_watch, args=(supervisor, float(seconds)), name="supervisor watch", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch(supervisor: int, seconds: float) -> None:
    while os.read(supervisor, 1):
        pass
    main = threading.main_thread().ident
    assert main is not None  # it runs  # noqa: S101
    signal.pthread_kill(main, signal.SIGINT)
    if seconds:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _main()
