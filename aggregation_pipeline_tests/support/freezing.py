"""Servers that stop answering and refuse nothing, as on a machine that is out of memory or behind a dead network."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from aggregation_pipeline_tests.support.waiting import until


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Let a server and all its processes do nothing for the body. Connections to them still open."""
    server = psutil.Process(pid)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.suspend()
    # The signal returns before every thread has stopped, and one that has not may still answer.
    until("all threads to stop", lambda: all(map(_is_stopped, processes)), 20)
    try:
        yield
    finally:
        for process in processes:
            # The body may have ended them.
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _is_stopped(process: psutil.Process) -> bool:
    threads = Path(f"/proc/{process.pid}/task").glob("*/stat")
    states = [stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] for stat in threads]
    return process.status() == psutil.STATUS_STOPPED and {*states} <= {"T"}
