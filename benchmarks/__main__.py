"""Measure: `python -m benchmarks [--rows N] [--only NAME] [--no-peers] [--rounds N]`.

Writes .data/bench.json and prints a table. A missed target is a result and stands in the table. Exit code 1 only if
something of ours is broken.
"""

import argparse
import json
import signal
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.data import running_source
from benchmarks.machine import describe
from benchmarks.measuring import ROOT, BrokenBenchError, Result
from benchmarks.registry import BENCHES, Plan, bench

_LABELS = {"ratio": "ratio", "peak_rss_mb": "MiB", "rss_growth": "growth"}


def main() -> int:
    """Run the benches of the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure this project beside others, on a private MariaDB."
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=1_000_000,
        help="rows of the table; with 5000000 the growth of memory is measured too",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median counts")
    parser.add_argument(
        "--only", action="append", choices=list(BENCHES), help="only this bench; may be given several times"
    )
    parser.add_argument("--no-peers", action="store_true", help="only ours and the baselines; installs nothing")
    arguments = parser.parse_args()
    progress = Console(stderr=True, highlight=False)
    # As an exception SIGTERM stops the server too, which is a process of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = Plan(arguments.rounds, not arguments.no_peers)
    results: list[Result] = []
    try:
        progress.print(f"filling a private MariaDB with {arguments.rows:,} rows")
        with running_source(arguments.rows) as source:
            for name in arguments.only or BENCHES:
                results += bench(name)(source, plan, progress.print)
    except (BrokenBenchError, FileNotFoundError) as error:
        print(f"broken: {error}", file=sys.stderr)
        return 1
    target = ROOT / ".data" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(
        json.dumps([result.as_json() for result in results], ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    _show(results, arguments.rows)
    return 0


def _show(results: list[Result], rows: int) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    console.print("; ".join(f"{name} {value}" for name, value in describe().items()), soft_wrap=True)
    table = Table(title=f"{rows:,} rows; medians; memory is the peak of the process")
    for heading in ("bench", "who", "seconds", "ratio", "peak MiB", "targets", "note"):
        table.add_column(heading, justify="right" if heading in ("seconds", "ratio", "peak MiB") else "left")
    for number, result in enumerate(results):
        new = number == 0 or results[number - 1].bench != result.bench
        table.add_row(
            result.bench if new else "",
            f"[bold]{result.name}[/]" if result.is_ours else result.name,
            *(
                _figure(value, places)
                for value, places in ((result.seconds, 2), (result.ratio, 2), (result.peak_rss_mb, 0))
            ),
            "\n".join(_targets(result)),
            f"left out: {result.error}" if result.error else result.note,
        )
        if number + 1 < len(results) and results[number + 1].bench != result.bench:
            table.add_section()
    console.print(table)
    missed = [
        f"{result.name} ({each.measure})"
        for result in results
        for each in result.targets
        if each.holds(result) is False
    ]
    console.print(
        f"Targets missed: {', '.join(missed)}" if missed else "All targets that were measured hold.", soft_wrap=True
    )


def _figure(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _targets(result: Result) -> list[str]:
    labels = {True: "[green]holds[/]", False: "[red]missed[/]"}
    checked = [(each, each.holds(result)) for each in result.targets]
    return [
        f"{_LABELS[each.measure]} <= {each.limit:g} {labels[holds]}" for each, holds in checked if holds is not None
    ]


if __name__ == "__main__":
    sys.exit(main())
