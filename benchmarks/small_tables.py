"""`small_tables`: what each further small table of a run costs: the slope between a run of few and one of many."""

from collections.abc import Callable
from typing import Any, Final

from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, alone, probe
from benchmarks.registry import Plan
from benchmarks.shapes import ORDERS
from benchmarks.storage import postgres

_BENCH: Final = "small tables of a run"
_FEW: Final = 3
_MANY: Final = 33
# Counting is slow and exact.
_MANY_COUNTED: Final = 8
# Dagster's own are 32 for six assets and four checks, and three for each further check, of which there is one.
_EVENTS: Final = 32 + 3 + 2
# Memory comes in pages and arenas, so a slope of exactly nothing cannot be measured.
_NOTHING_MB: Final = 0.1
_SLOPES: Final = ("seconds", "client", "server", "processor", "events", "grown_mb", "kept_mb")
_COUNTS: Final = ("connections", "reflections", "settings_read", "statements")
_TARGETS: Final = (
    Target("processor", 0.15),
    Target("events", _EVENTS),
    Target("kept_mb", _NOTHING_MB),
    Target("connections", 0),
    Target("reflections", 0),
    Target("settings_read", 0),
)


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Run tables of ten rows, each with an aggregate and rows, four formats, six assets and five checks."""
    with postgres(source, report) as new_database:
        given: dict[str, Any] = {
            "address": source.address,
            "url": new_database(),
            "folder": str(source.folder),
            "table": source.fill(ORDERS, 10),
        }
        contenders = [
            Contender(f"{count} tables", probe("whole_runs:small", **given, count=count), is_ours=True)
            for count in (_FEW, _MANY)
        ]
        few, many = alone(_BENCH, contenders, rounds=plan.rounds, report=report)
        counted = [probe("whole_runs:small_counted", **given, count=count)().figures for count in (_FEW, _MANY_COUNTED)]
    each = Result(_BENCH, "each further table", is_ours=True, targets=_TARGETS)
    for measure in _SLOPES:
        for less, more in zip(few.values[measure], many.values[measure], strict=True):
            each.add(**{measure: (more - less) / (_MANY - _FEW)})
    for measure in _COUNTS:
        each.add(**{measure: (counted[1][measure] - counted[0][measure]) / (_MANY_COUNTED - _FEW)})
    figures = ", ".join(f"{each.figure(measure):.1f} {measure.replace('_', ' ')}" for measure in ("events", *_COUNTS))
    memory = f"{each.figure('grown_mb'):.2f} MiB in the first run, {each.figure('kept_mb'):.2f} MiB kept of a run"
    each.note = f"{figures}, {memory}"
    return [few, many, each]
