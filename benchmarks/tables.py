"""The tables that `make bench` prints."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.judging import Judgement, Result, Target, Verdict
from benchmarks.machine import describe

FIGURES: Final = {
    "seconds": ("wall s", 2),
    "client": ("client s", 2),
    "server": ("server s", 2),
    "ratio": ("ratio", 2),
    "wall_ratio": ("wall ratio", 2),
    "peak_rss_mb": ("peak MiB", 0),
}
_MEASURES: Final = {
    "ratio": "processor ratio",
    "wall_ratio": "wall ratio",
    "processor": "processor s",
    "peak_rss_mb": "peak MiB",
    "kept_mb": "MiB kept",
}
_COLOURS: Final = {Verdict.HOLDS: "green", Verdict.MISSED: "red"}


def show(results: Sequence[Result], judgements: Sequence[Judgement]) -> None:
    """Print the machine, what was measured, and the targets."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    console.print("; ".join(f"{name} {value}" for name, value in describe().items()), soft_wrap=True)
    console.print(_measured(results))
    console.print(_judged(judgements))
    counts = Counter(each.verdict for each in judgements)
    console.print("Targets: " + ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict) + ".")


def limit(target: Target) -> str:
    """Say what a target asks for."""
    beside = f" to {target.beside[0] if len(target.beside) == 1 else 'the slowest alone'}" if target.beside else ""
    return f"{_measure(target)}{beside} {'>=' if target.at_least else '<='} {target.limit:g}"


def _measure(target: Target) -> str:
    return _MEASURES.get(target.measure, target.measure.replace("_", " "))


def _measured(results: Sequence[Result]) -> Table:
    table = Table(
        title="Medians; processor seconds of client and server, their ratio to the baseline's, peak of memory"
    )
    for heading in ("bench", "who", *(heading for heading, _ in FIGURES.values()), "note"):
        table.add_column(heading, justify="left" if heading in ("bench", "who", "note") else "right")
    for number, result in enumerate(results):
        new = number == 0 or results[number - 1].bench != result.bench
        if new and number:
            table.add_section()
        table.add_row(
            result.bench if new else "",
            f"[bold]{result.name}[/]" if result.is_ours else result.name,
            *(figure(result.figure(name), places) for name, (_, places) in FIGURES.items()),
            f"left out: {result.error}" if result.error else result.note,
        )
    return table


def _judged(judgements: Sequence[Judgement]) -> Table:
    table = Table(title="Targets")
    for heading in ("bench", "who", "target", "measured", "spread", "verdict"):
        table.add_column(heading, justify="right" if heading in ("measured", "spread") else "left")
    for each in judgements:
        verdict = f"[{_COLOURS.get(each.verdict, 'yellow')}]{each.verdict}[/]"
        table.add_row(
            each.result.bench,
            each.result.name,
            limit(each.target),
            figure(each.value, 2),
            figure(each.spread, 2),
            f"{verdict}: {each.why}" if each.why else verdict,
        )
    return table


def figure(value: float | None, places: int) -> str:
    """Write a figure with this many places; nothing for None."""
    return "" if value is None else f"{value:,.{places}f}"
