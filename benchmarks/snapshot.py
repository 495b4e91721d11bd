"""`snapshot`: how much longer the snapshot is open because files are rendered while the rows are read."""

from collections.abc import Callable
from typing import Any, Final

from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, compare, probe
from benchmarks.registry import Plan

_LONGER: Final = 1.1


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare with reading alone. The clock counts: it is the database that waits."""
    given: dict[str, Any] = {"address": source.address, "folder": str(source.folder)}
    contenders = [Contender("ours, reading alone", probe("ours:snapshot", **given, formats=[]), is_ours=True)]
    for formats in (["csv"], ["json"], ["excel"], ["parquet", "csv", "json", "excel"]):
        name = f"ours, with {formats[0]}" if len(formats) == 1 else "ours, with all four formats"
        rendered = probe("ours:snapshot", **given, formats=formats)
        contenders.append(Contender(name, rendered, targets=(Target("wall_ratio", _LONGER),), is_ours=True))
    return compare("snapshot open", contenders, rounds=plan.rounds_of(7), paired=True, report=report)
