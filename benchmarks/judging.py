"""Targets, and whether a result holds them. Every target gets a verdict, and the verdicts give the exit code."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

# Pairs that a median needs to be judged. The clock of a shared machine needs more of them than processor time does.
_PAIRS: Final = {"ratio": 3, "processor": 3, "wall_ratio": 7}
# Largest by smallest of the rounds: beyond it the machine was too unsteady to say anything.
MOST_SPREAD: Final = 1.5


class Verdict(StrEnum):
    """What became of a target."""

    HOLDS = "holds"
    MISSED = "missed"
    NOT_JUDGED = "not judged"
    NOT_MEASURED = "not measured"


class ExitCode:
    """How the program ends. The worst that happened counts; 2 is argparse's, for a wrong command line."""

    HELD: Final = 0
    BROKEN: Final = 1
    NOT_JUDGED: Final = 3
    MISSED: Final = 4


@dataclass(frozen=True)
class Target:
    """A limit for a measure of a result.

    Attributes:
        measure: `ratio` (of processor time to the baseline's), `wall_ratio`, `processor` (seconds), `peak_rss_mb`, or
            another figure that the contender reports.
        limit: the most that holds, or the least with `at_least`.
        beside: names of other contenders of the same bench. The measure is then divided by that of the slowest of them,
            round by round.
    """

    measure: str
    limit: float
    at_least: bool = False
    beside: tuple[str, ...] = ()


@dataclass
class Result:
    """What was measured of one contender.

    Attributes:
        values: for each measure its value in each round.
        error: why there are none.
    """

    bench: str
    name: str
    values: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""
    error: str | None = None
    is_ours: bool = False
    targets: tuple[Target, ...] = ()

    def add(self, **figures: float) -> None:
        """Add a round's figures."""
        for measure, value in figures.items():
            self.values.setdefault(measure, []).append(value)

    def figure(self, measure: str) -> float | None:
        """Return the figure for all rounds: the largest for memory, else the median; None without a round."""
        values = self.values.get(measure)
        return _figure(measure, values) if values else None


@dataclass(frozen=True)
class Judgement:
    """A target of a result and its verdict. `why` explains one that is neither held nor missed."""

    result: Result
    target: Target
    verdict: Verdict
    value: float | None = None
    spread: float | None = None
    why: str = ""


def judge(results: Sequence[Result], *, instead: str = "") -> list[Judgement]:
    """Judge every target of the results; with `instead` none, for this reason."""
    judgements = [_judged(target, result, results) for result in results for target in result.targets]
    return [replace(each, verdict=Verdict.NOT_JUDGED, why=instead) for each in judgements] if instead else judgements


def exit_code(judgements: Iterable[Judgement]) -> int:
    """Return the exit code for these verdicts."""
    verdicts = {each.verdict for each in judgements}
    if Verdict.MISSED in verdicts:
        return ExitCode.MISSED
    return ExitCode.HELD if verdicts <= {Verdict.HOLDS} else ExitCode.NOT_JUDGED


def _judged(target: Target, result: Result, results: Sequence[Result]) -> Judgement:
    values = result.values.get(target.measure, [])
    if target.beside:
        others = {each.name: each for each in results if each.bench == result.bench}
        values = _divided(values, target, others)
    if not values:
        return Judgement(result, target, Verdict.NOT_MEASURED, why=result.error or "")
    value = _figure(target.measure, values)
    needed = _PAIRS.get(target.measure)
    if needed is None:
        return Judgement(result, target, _verdict(target, value), value)
    spread = max(values) / min(values) if min(values) > 0 else float("inf")
    why = (
        f"{len(values)} of {needed} rounds"
        if len(values) < needed
        else f"the rounds are {spread:.2f} x apart"
        if spread > MOST_SPREAD
        else ""
    )
    return Judgement(result, target, Verdict.NOT_JUDGED if why else _verdict(target, value), value, spread, why)


def _divided(values: Sequence[float], target: Target, others: Mapping[str, Result]) -> list[float]:
    measured = [(others[name].figure(target.measure), name) for name in target.beside if name in others]
    known = [(figure, name) for figure, name in measured if figure is not None]
    if len(known) < len(target.beside):
        return []
    slowest = others[max(known)[1]].values[target.measure]
    return [mine / theirs for mine, theirs in zip(values, slowest, strict=False)]


def _verdict(target: Target, value: float) -> Verdict:
    holds = value >= target.limit if target.at_least else value <= target.limit
    return Verdict.HOLDS if holds else Verdict.MISSED


def _figure(measure: str, values: Sequence[float]) -> float:
    return max(values) if measure == "peak_rss_mb" else statistics.median(values)
