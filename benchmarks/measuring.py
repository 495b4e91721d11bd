"""Runs the contenders in turns and compares their time and memory with targets.

In turns, so that a busy moment of the machine affects all of them.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline_tests.support.paths import REPOSITORY
from benchmarks.probe import peak_rss_mb

ROOT: Final = REPOSITORY
_POLL_SECONDS: Final = 0.005


class BrokenBenchError(Exception):
    """A contender of ours ended with an error: there is nothing to compare."""


@dataclass(frozen=True)
class Sample:
    """One measurement."""

    seconds: float
    peak_rss_mb: float
    rows: int | None = None


@dataclass(frozen=True)
class Target:
    """A limit for `measure`, an attribute of Result: `ratio`, `peak_rss_mb` or `rss_growth`. Less is better."""

    measure: str
    limit: float

    def holds(self, result: "Result") -> bool | None:
        """Return whether the result is within the limit; None if it was not measured."""
        value = getattr(result, self.measure)
        return None if value is None else bool(value <= self.limit)


@dataclass(frozen=True)
class Contender:
    """One way to do the job. `note` says what its output lacks, or how it works. A peer may fail; ours may not."""

    name: str
    run: Callable[[], Sample]
    note: str = ""
    targets: tuple[Target, ...] = ()
    is_ours: bool = False


@dataclass
class Result:
    """The result of all rounds: the median for time, the maximum for memory.

    Attributes:
        ratio: its time divided by the baseline's time in the same round.
        rss_growth: its peak memory divided by that with 1,000,000 rows.
        error: why there is no result.
    """

    bench: str
    name: str
    seconds: float | None = None
    ratio: float | None = None
    peak_rss_mb: float | None = None
    rss_growth: float | None = None
    rows: int | None = None
    rounds: list[float] = field(default_factory=list)
    note: str = ""
    error: str | None = None
    is_ours: bool = False
    targets: tuple[Target, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the object for .data/bench.json."""
        targets = [
            {
                "measure": each.measure,
                "at_most": each.limit,
                "value": _rounded(getattr(self, each.measure)),
                "holds": each.holds(self),
            }
            for each in self.targets
        ]
        return {
            "bench": self.bench,
            "name": self.name,
            "seconds": _rounded(self.seconds),
            "ratio": _rounded(self.ratio),
            "peak_rss_mb": _rounded(self.peak_rss_mb),
            "rss_growth": _rounded(self.rss_growth),
            "rows": self.rows,
            "rounds": [_rounded(each) for each in self.rounds],
            "note": self.note,
            "error": self.error,
            "targets": targets,
        }


def compare(
    bench: str, contenders: Sequence[Contender], *, rounds: int, paired: bool, report: Callable[[str], None]
) -> list[Result]:
    """Measure all contenders `rounds` times, in turns. The first is the baseline.

    Args:
        paired: run the baseline again right before each contender. That gives the steadiest ratio, if the baseline is
            quick enough.
    """
    baseline, *others = contenders
    results = {
        each.name: Result(bench, each.name, note=each.note, is_ours=each.is_ours, targets=each.targets)
        for each in contenders
    }
    ratios: dict[str, list[float]] = {each.name: [] for each in contenders}
    for number in range(1, rounds + 1):
        report(f"{bench}: round {number} of {rounds}")
        beside = _measured(baseline, results[baseline.name])
        for each in others:
            if results[each.name].error:
                continue
            if paired:
                beside = _measured(baseline, results[baseline.name])
            sample = _measured(each, results[each.name])
            if sample and beside:
                ratios[each.name].append(sample.seconds / beside.seconds)
    for name, result in results.items():
        if result.rounds:
            result.seconds = statistics.median(result.rounds)
        result.ratio = 1.0 if name == baseline.name else statistics.median(ratios[name]) if ratios[name] else None
    return list(results.values())


def _measured(contender: Contender, result: Result) -> Sample | None:
    try:
        sample = contender.run()
    except (OSError, subprocess.SubprocessError, BrokenBenchError, ValueError) as error:
        if contender.is_ours:
            raise BrokenBenchError(f"{contender.name}: {error}") from error
        result.error = str(error).strip().splitlines()[-1][:200]
        return None
    result.rounds.append(sample.seconds)
    result.peak_rss_mb = max(result.peak_rss_mb or 0.0, sample.peak_rss_mb)
    result.rows = sample.rows
    return sample


def probe(function: str, *, python: Path | None = None, **arguments: Any) -> Callable[[], Sample]:
    """Return a measurement of `module:function` of this package in a fresh Python."""
    module, name = function.split(":")
    command = [
        str(python or sys.executable),
        "-m",
        f"{__package__}.probe",
        f"{__package__}.{module}:{name}",
        json.dumps(arguments),
    ]
    return reported(command, {"PYTHONPATH": str(ROOT)})


def reported(command: Sequence[str], environment: dict[str, str]) -> Callable[[], Sample]:
    """Return a measurement that the command makes itself: JSON in the last line that it prints."""

    def run() -> Sample:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
        if done.returncode:
            raise BrokenBenchError(done.stderr[-4000:] or f"ended with code {done.returncode}")
        return Sample(**json.loads(done.stdout.splitlines()[-1]))

    return run


def watched(command: Sequence[str]) -> Callable[[], Sample]:
    """Return a measurement of a program from its start to its end. Its output is dropped."""

    def run() -> Sample:
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            peak = 0.0
            while process.poll() is None:
                peak = max(peak, peak_rss_mb(process.pid))
                time.sleep(_POLL_SECONDS)
            seconds = time.perf_counter() - started
            if process.returncode:
                assert process.stderr is not None
                raise BrokenBenchError(process.stderr.read().decode(errors="replace"))
        return Sample(seconds, peak)

    return run


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
