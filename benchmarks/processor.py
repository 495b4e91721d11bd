"""Processor seconds and memory of processes, from /proc.

This module imports nothing of the project, so that it runs in the peers' environment too.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
# The process ids of the servers whose work counts, with commas. In the environment each contender's process finds them.
_SERVERS: Final = "BENCH_SERVERS"


def peak_rss_mb(pid: int | str = "self") -> float:
    """Return the peak memory of a process in MiB. `ru_maxrss` would include the parent's memory at the fork."""
    return _status_mb(pid, "VmHWM")


def rss_mb() -> float:
    """Return the memory that this process holds now, in MiB."""
    return _status_mb("self", "VmRSS")


def _status_mb(pid: int | str, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def counted(*servers: int) -> Iterator[None]:
    """Count the processor time of these processes, and of their children, as the servers' part in this block."""
    before = os.environ.get(_SERVERS, "")
    os.environ[_SERVERS] = ",".join([*before.split(","), *map(str, servers)]).strip(",")
    try:
        yield
    finally:
        os.environ[_SERVERS] = before


def server_seconds() -> float:
    """Return the processor seconds, user and system, that the counted servers have used so far."""
    roots = [int(pid) for pid in os.environ.get(_SERVERS, "").split(",") if pid]
    return _TICK * _tree_ticks(roots) if roots else 0.0


def _tree_ticks(roots: list[int]) -> int:
    """Add up processes with their children: the living, and those that ended and were waited for.

    One that ends while /proc is read may be missing, or counted as living and as ended: then it is read again.
    """
    before, now = _read_tree(roots), _read_tree(roots)
    while _ended(before) != _ended(now):
        before, now = now, _read_tree(roots)
    return sum(own + ended for own, ended in now.values())


def _ended(tree: dict[int, tuple[int, int]]) -> dict[int, int]:
    return {pid: ended for pid, (_, ended) in tree.items()}


def _read_tree(roots: list[int]) -> dict[int, tuple[int, int]]:
    """Return for each living process of these trees its own ticks, and those of its ended children."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(path.parent.name)
        user, system, ended_user, ended_system = map(int, fields[11:15])
        parents[pid], ticks[pid] = int(fields[1]), (user + system, ended_user + ended_system)

    def belongs(pid: int) -> bool:
        while pid and pid not in roots:
            pid = parents.get(pid, 0)
        return pid in roots

    return {pid: each for pid, each in ticks.items() if belongs(pid)}


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: seconds on the clock, and processor seconds of this process and of the servers."""

    seconds: float
    client: float
    server: float


class Stopwatch:
    """Measures from its making on: the threads of this process and its ended children, and the counted servers."""

    def __init__(self) -> None:
        self._server = server_seconds()
        self._client = _client_seconds()
        self._started = time.perf_counter()

    def spent(self) -> Spent:
        """Return what was spent until now."""
        seconds, client = time.perf_counter() - self._started, _client_seconds() - self._client
        return Spent(seconds, client, server_seconds() - self._server)


def child_seconds() -> float:
    """Return the processor seconds of this process's children that ended and were waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _client_seconds() -> float:
    return time.process_time() + child_seconds()
