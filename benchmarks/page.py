"""Writes the figures of .data/bench.json into docs/performance.md: `python -m benchmarks.page`.

The page has places for them: a comment with the name of a bench, `targets` or `machine`, and one that ends the place.
"""

import json
import re
import sys
from typing import Any, Final

from benchmarks.measuring import ROOT
from benchmarks.results_file import PATH
from benchmarks.tables import FIGURES, figure

_PAGE: Final = ROOT / "docs" / "performance.md"
_PLACE: Final = re.compile(r"(<!-- bench: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Fill the places that were measured, and name those that were not."""
    text, missing = filled(_PAGE.read_text(encoding="utf-8"), json.loads(PATH.read_text(encoding="utf-8")))
    _PAGE.write_text(text, encoding="utf-8")
    print(f"not measured: {', '.join(missing)}" if missing else "every place of the page has its figures")
    return 0


def filled(page: str, known: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the page with these figures, and the places that keep what they had because they were not measured."""
    tables = {name: _table(results) for name, results in _by_bench(known["results"]).items()}
    tables |= {"targets": _targets(known["targets"]), "machine": _machine(known["machine"])}
    places = [place[2] for place in _PLACE.finditer(page)]

    def fill(place: re.Match[str]) -> str:
        return f"{place[1]}{tables[place[2]]}\n{place[4]}" if place[2] in tables else place[0]

    return _PLACE.sub(fill, page), [name for name in places if name not in tables]


def _by_bench(results: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        found.setdefault(result["bench"], []).append(result)
    return found


def _table(results: list[dict[str, Any]]) -> str:
    shown = {name: column for name, column in FIGURES.items() if any(each["figures"].get(name) for each in results)}
    lines = ["| | " + " | ".join(heading for heading, _ in shown.values()) + " |", "|---" + "|---:" * len(shown) + "|"]
    for each in results:
        name = f"**{each['name']}**" if each["ours"] else each["name"]
        note = f"not measured: {each['error']}" if each["error"] else each["note"]
        cells = [figure(each["figures"].get(measure), places) for measure, (_, places) in shown.items()]
        lines.append("| " + " | ".join([f"{name} ({note})" if note else name, *cells]) + " |")
    return "\n".join(lines)


def _targets(targets: list[dict[str, Any]]) -> str:
    lines = ["| | target | measured | spread | |", "|---|---|---:|---:|---|"]
    for each in targets:
        verdict = f"{each['verdict']}: {each['why']}" if each["why"] else each["verdict"]
        who = f"{each['bench']}: {each['name']}"
        cells = [who, each["target"], figure(each["value"], 2), figure(each["spread"], 2), verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _machine(machine: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in machine.items()) + "."


if __name__ == "__main__":
    sys.exit(main())
