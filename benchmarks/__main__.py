"""Measure: `python -m benchmarks [--only NAME] [--quick] [--no-peers] [--rows N] [--rounds N]`.

Writes .data/bench.json and prints two tables: what was measured, and the targets with their verdicts.
"""

import argparse
import signal
import sys
from typing import Final

from rich.console import Console

from benchmarks import results_file
from benchmarks.data import running_source
from benchmarks.judging import ExitCode, Result, exit_code, judge
from benchmarks.measuring import BrokenBenchError
from benchmarks.registry import BENCHES, Plan, bench
from benchmarks.tables import show

# With fewer no target is judged: they are for these.
_ROWS: Final = 1_000_000
_LARGE: Final = 5_000_000
_EPILOG: Final = """
exit codes:
  0  every target holds
  1  something of ours is broken
  2  a wrong command line
  3  no target is missed, but one is not judged (its rounds are too few, or more than 1.5 x apart) or not measured
  4  a target is missed

`make` ends with 2 for each of them but 0. `python -m benchmarks.page` writes the figures into docs/performance.md.
"""


def main() -> int:
    """Run the benches of the command line; return the exit code."""
    arguments = _parser().parse_args()
    progress = Console(stderr=True, highlight=False)
    # As an exception SIGTERM stops the server too, which is a process of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = Plan(arguments.rounds, not arguments.no_peers, arguments.large)
    if arguments.quick:
        arguments.rows, plan = 50_000, Plan(1, peers=False, large=100_000)
    results: list[Result] = []
    try:
        progress.print(f"filling a private MariaDB with {arguments.rows:,} rows")
        with running_source(arguments.rows) as source:
            for name in arguments.only or BENCHES:
                results += bench(name)(source, plan, progress.print)
    except (BrokenBenchError, FileNotFoundError) as error:
        print(f"broken: {error}", file=sys.stderr)
        return ExitCode.BROKEN
    small = arguments.rows < _ROWS or plan.large < _LARGE
    judgements = judge(results, instead="too few rows" if small else "")
    results_file.write(results, judgements)
    show(results, judgements)
    return exit_code(judgements)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure this project beside others, on a private MariaDB, and judge its targets.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=_ROWS, help=f"rows of the table (default: {_ROWS})")
    parser.add_argument("--large", type=int, default=_LARGE, help=f"rows of the large tables (default: {_LARGE})")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median counts")
    parser.add_argument(
        "--only", action="append", choices=list(BENCHES), help="only this bench; may be given several times"
    )
    parser.add_argument("--no-peers", action="store_true", help="only ours and the baselines; installs nothing")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round over few rows without peers: it shows whether all works",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
