"""One measurement in a fresh process: `python -m benchmarks.probe module:function '{"argument": ...}'`.

In a fresh process every contender begins with the same cold heap, and its peak memory is its own. The function prepares
the measurement: it imports what is needed and rehearses on a few rows, so that nobody pays for the first call. It
returns what is measured, which returns the number of rows, or several figures by name, or a function that returns them
and is called when the measurement is over. `seconds` among the figures replace those of the whole.

This module imports nothing of the project, so that it runs in the peers' environment too.
"""

import importlib
import json
import sys
from dataclasses import asdict

from benchmarks.processor import Stopwatch, peak_rss_mb


def main() -> None:
    """Measure what the command line names, and print the figures as JSON."""
    module, function = sys.argv[1].split(":")
    work = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    watch = Stopwatch()
    result = work()
    spent = asdict(watch.spent())
    result = result() if callable(result) else result
    figures = result if isinstance(result, dict) else {"rows": result}
    spent["seconds"] = figures.pop("seconds", spent["seconds"])
    print(json.dumps({**spent, "peak_rss_mb": peak_rss_mb(), "figures": figures}))


if __name__ == "__main__":
    main()
