"""One measurement in a fresh process: `python -m benchmarks.probe module:function '{"argument": ...}'`.

In a fresh process every contender begins with the same cold heap, and its peak memory is its own. The function prepares
the measurement: it imports what is needed and rehearses on a few rows, so that nobody pays for the first call. It
returns what is timed, which returns the number of rows.

This module imports nothing of the project, so that it runs in the peers' environment too.
"""

import importlib
import json
import sys
import time
from pathlib import Path


def peak_rss_mb(pid: int | str = "self") -> float:
    """Return the peak memory of a process in MiB. `ru_maxrss` would include the parent's memory at the fork."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure what the command line names, and print the figures as JSON."""
    module, function = sys.argv[1].split(":")
    work = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    started = time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_rss_mb": peak_rss_mb(), "rows": rows}))


if __name__ == "__main__":
    main()
