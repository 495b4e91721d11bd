"""`python -m aggregation_pipeline_tests.mutants [--at-most N] [module ...]`: list the changes that no test notices."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline_tests.mutants.chosen import CHOSEN
from aggregation_pipeline_tests.mutants.forks import Forks

_TESTS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Try the changes of the modules on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="module", help=f"one of {', '.join(CHOSEN)}; all if none is given"
    )
    parser.add_argument(
        "--at-most",
        type=int,
        default=120,
        metavar="N",
        help="how many changes of a module; of more, always the same sample",
    )
    parser.add_argument(
        "--line", type=int, action="append", metavar="N", help="only changes of this line; may be given several times"
    )
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.modules if name not in CHOSEN]:
        parser.error(f"no tests are chosen for {', '.join(unknown)}; there are {', '.join(CHOSEN)}")
    names = chosen.modules or list(CHOSEN)
    if len(names) > 1:
        if chosen.line:
            parser.error("--line is of one module")
        # Each in a process of its own: pytest is made to run once in a process.
        command = [sys.executable, "-m", "aggregation_pipeline_tests.mutants", "--at-most", str(chosen.at_most)]
        return max([subprocess.run([*command, name], check=False).returncode for name in names])
    # So that the servers are stopped on SIGTERM too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Then hypothesis tries the same examples in each child.
    os.environ["CI"] = "true"
    paths = [str(_TESTS / path) for path in CHOSEN[names[0]]]
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    return pytest.main([*options, *paths], plugins=[Forks(names[0], chosen.at_most, chosen.line or ())])


if __name__ == "__main__":
    sys.exit(main())
