"""The file with all figures, .data/bench.json."""

import json
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.judging import Judgement, Result
from benchmarks.machine import describe
from benchmarks.measuring import ROOT
from benchmarks.tables import limit

PATH: Final = ROOT / ".data" / "bench.json"


def write(results: Sequence[Result], judgements: Sequence[Judgement]) -> None:
    """Write the file."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(as_json(results, judgements), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def as_json(results: Sequence[Result], judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return the machine, every figure with its rounds, and every verdict."""
    return {
        "machine": describe(),
        "results": [_result(each) for each in results],
        "targets": [_judgement(each) for each in judgements],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "bench": result.bench,
        "name": result.name,
        "ours": result.is_ours,
        "figures": {measure: _rounded(result.figure(measure)) for measure in result.values},
        "rounds": {measure: [_rounded(value) for value in values] for measure, values in result.values.items()},
        "note": result.note,
        "error": result.error,
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    target = judgement.target
    return {
        "bench": judgement.result.bench,
        "name": judgement.result.name,
        "target": limit(target),
        "measure": target.measure,
        "at_least" if target.at_least else "at_most": target.limit,
        "beside": list(target.beside),
        "value": _rounded(judgement.value),
        "spread": _rounded(judgement.spread),
        "verdict": judgement.verdict,
        "why": judgement.why,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
