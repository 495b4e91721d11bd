"""Runs `racer.cjs` in V8, as a program of its own: `python -I in_racer.py DESCRIPTOR BYTES FOLDER < asked.json`.

BYTES are what the code may take. FOLDER is where mini-racer is installed: with -I, Python looks only where packages of
all users are. Code in V8 has no object of the machine: it can only take time and memory. The parent ends what is late.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent
# The parent waits less long.
_SECONDS: Final = 120


def main() -> None:
    """Answer on the descriptor; the exit status is 1 where the code takes too much."""
    descriptor, most_bytes, packages = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    sys.path.append(packages)
    # By name: it is an extra, and mypy knows it only where it is installed.
    engine = importlib.import_module("py_mini_racer")
    programs = {name: (_FOLDER / name).read_text("utf-8") for name in ("sandbox.cjs", "evaluate.cjs")}
    start = f"({(_FOLDER / 'racer.cjs').read_text('utf-8')})({json.dumps(sys.stdin.read())}, {json.dumps(programs)})"
    context = engine.MiniRacer()
    context.set_hard_memory_limit(most_bytes)
    try:
        answers = context.eval(start, timeout_sec=_SECONDS).get(timeout=_SECONDS)
    except (engine.JSEvalException, TimeoutError) as error:
        sys.exit(type(error).__name__)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as writing:
        writing.write(str(answers))
    # V8's threads may still wait for timers of the project.
    signal.raise_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
