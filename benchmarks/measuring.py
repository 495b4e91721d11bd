"""Runs the contenders in turns: processor time of client and server, the clock, and the peak of memory.

In turns, so that a busy moment of the machine affects all of them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline_tests.support.paths import REPOSITORY
from benchmarks.judging import Result, Target
from benchmarks.processor import Stopwatch, child_seconds, peak_rss_mb

ROOT: Final = REPOSITORY
# `aggregation-pipeline`, whatever is in PATH.
COMMAND: Final = (sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()")
_POLL_SECONDS: Final = 0.005


class BrokenBenchError(Exception):
    """A contender of ours ended with an error: there is nothing to compare."""


@dataclass(frozen=True)
class Sample:
    """One measurement: seconds on the clock, processor seconds of client and servers, and what else was counted."""

    seconds: float
    client: float
    server: float
    peak_rss_mb: float
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def processor(self) -> float:
        """Processor seconds of both sides."""
        return self.client + self.server


@dataclass(frozen=True)
class Contender:
    """One way to do the job. `note` says what its output lacks, or how it works. A peer may fail; ours may not."""

    name: str
    run: Callable[[], Sample]
    note: str = ""
    targets: tuple[Target, ...] = ()
    is_ours: bool = False


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
    for number in range(1, rounds + 1):
        report(f"{bench}: round {number} of {rounds}")
        beside = None if paired else _measured(baseline, results[baseline.name])
        for each in others:
            if results[each.name].error:
                continue
            if paired:
                beside = _measured(baseline, results[baseline.name])
            sample = _measured(each, results[each.name])
            if sample and beside:
                results[each.name].add(
                    ratio=sample.processor / beside.processor, wall_ratio=sample.seconds / beside.seconds
                )
    results[baseline.name].add(ratio=1.0, wall_ratio=1.0)
    return list(results.values())


def alone(bench: str, contenders: Sequence[Contender], *, rounds: int, report: Callable[[str], None]) -> list[Result]:
    """Measure all contenders `rounds` times, in turns, and compare them with nothing."""
    results = [
        Result(bench, each.name, note=each.note, is_ours=each.is_ours, targets=each.targets) for each in contenders
    ]
    for number in range(1, rounds + 1):
        report(f"{bench}: round {number} of {rounds}")
        for contender, result in zip(contenders, results, strict=True):
            _measured(contender, result)
    return results


def _measured(contender: Contender, result: Result) -> Sample | None:
    try:
        sample = contender.run()
    except (OSError, subprocess.SubprocessError, BrokenBenchError, ValueError) as error:
        if contender.is_ours:
            raise BrokenBenchError(f"{contender.name}: {error}") from error
        result.error = str(error).strip().splitlines()[-1][:200]
        return None
    result.add(
        seconds=sample.seconds,
        processor=sample.processor,
        client=sample.client,
        server=sample.server,
        peak_rss_mb=sample.peak_rss_mb,
        **sample.figures,
    )
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


def watched(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Callable[[], Sample]:
    """Return a measurement of a program from its start to its end. Its output is dropped."""

    def run() -> Sample:
        watch, children, peak = Stopwatch(), child_seconds(), 0.0
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, **(environment or {})}
            ) as process,
        ):
            while process.poll() is None:
                peak = max(peak, peak_rss_mb(process.pid))
                time.sleep(_POLL_SECONDS)
            spent = watch.spent()
            if process.returncode:
                errors.seek(0)
                raise BrokenBenchError(errors.read().decode(errors="replace")[-4000:])
        # Not spent.client, which has the time of looking at the process too.
        return Sample(spent.seconds, child_seconds() - children, spent.server, peak)

    return run
