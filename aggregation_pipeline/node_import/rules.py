"""Finds the aggregation rules that are in force in a Node project, and evaluates them with Node, or with V8 alone.

They are what the files export that the service loads, or object literals in these files. Rules in a file that nothing
loads are not in force: they are only named.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.by_table import by_table, index_of, not_evaluated
from aggregation_pipeline.node_import.code.candidates import Candidate, Literal
from aggregation_pipeline.node_import.code.elsewhere import changed_later
from aggregation_pipeline.node_import.code.sources import NodeProject, SourceFile, other_sources
from aggregation_pipeline.node_import.evaluating.node import ASK_FOR_JSON, Question, evaluate, find_engine

# Two moments that share no part of their dates.
_MOMENTS: Final = (1_772_600_767.0, 1_950_370_729.0)
_GARBLED: Final = "\ufffd"
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class TableRules:
    """The rules of one table as JSON.

    Attributes:
        place: file and line, or the file alone.
        odd: what in it is no JSON, such as a function, by its path.
        changing: what differs between two moments, by its path, with both texts.
    """

    table: str
    value: dict[str, Any]
    place: str
    odd: Sequence[tuple[Path_, str]] = ()
    changing: Sequence[tuple[Path_, str, str]] = ()


@dataclass
class FoundRules:
    """What was found.

    Attributes:
        tables: the rules by table; a table without rules is not among them.
        listed: the tables that the configuration lists beside its rules.
        taken_from: the files whose rules were taken.
        not_in_force: files with rules that nothing loads.
        failed: what looks like rules and cannot be evaluated, as (place, why).
        lost: the tables among these, with place and reason; also those of code that only may be rules.
        loads: which file loaded which while rules were evaluated.
        unknown_loads: where a file is loaded by a name that is computed, and that did not happen then.
        changed: tables whose rules a file changes that was not run, each with the place.
    """

    tables: dict[str, TableRules] = field(default_factory=dict)
    listed: Sequence[str] | None = None
    taken_from: list[str] = field(default_factory=list)
    not_in_force: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)
    loads: set[tuple[Path, Path]] = field(default_factory=set)
    unknown_loads: list[str] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, place: str, why: str, table: str | None = None) -> None:
        """Keep what looks like rules and cannot be evaluated."""
        if table is None:
            self.failed.append((place, why))
        else:
            self.lost.setdefault(table, (place, why))


def rules_in_force(project: NodeProject, env: Mapping[str, str]) -> FoundRules:
    """The rules that the service would follow.

    Raises:
        ImportNodeError: they cannot be evaluated, or two files disagree on a table.
    """
    computing = {path for path, _ in project.computed}
    loaded = map(Candidate, project.loaded.values())
    candidates = [each for each in loaded if each.is_worth_running or each.source.path in computing]
    found = _evaluated(project, candidates, env)
    ran = {path for _, path in found.loads}
    others = (each for each in other_sources(project) if each.path not in ran)
    found.not_in_force = [each.name for each in others if Candidate(each).has_rules]
    seen = {one for one, other in found.loads if other not in project.loaded}
    found.unknown_loads = [text for path, text in project.computed if path not in seen]
    run = {each.source.path for each in candidates} | {path for pair in found.loads for path in pair}
    found.changed = list(changed_later(project, found.tables, run))
    failed = [*found.failed, *found.lost.values()]
    if failed and not found.tables:
        places = "; ".join(f"{place}: {why}" for place, why in dict.fromkeys(failed))
        raise ImportNodeError(f"The rules cannot be evaluated: {places}. {ASK_FOR_JSON}")
    return found


def rules_of_file(project: NodeProject, source: SourceFile, env: Mapping[str, str]) -> FoundRules:
    """The rules of a file that the user chose, whether the service loads it or not.

    Raises:
        ImportNodeError: there are none in it, or they cannot be evaluated.
    """
    found = _evaluated(project, [Candidate(source)], env)
    if not found.tables:
        failed = dict.fromkeys((*found.failed, *found.lost.values()))
        why = "; ".join(why for _, why in failed) or "no object in it has groupBy, aggregations or selectFields"
        raise ImportNodeError(f"{source.name} holds no rules: {why}. {ASK_FOR_JSON}")
    return found


def rules_of_json(value: object, name: str) -> FoundRules:
    """The rules of a JSON document: what `tableConfigs` holds, or a mapping from tables to their rules.

    Raises:
        ImportNodeError: it is neither.
    """
    listed: Sequence[str] | None = None
    if isinstance(value, dict):
        beside = value.get("tables")
        if isinstance(beside, list) and all(isinstance(each, str) for each in beside):
            listed = beside
        for key in ("tableConfigs", "table_configs", "tables"):
            if isinstance(value.get(key), dict):
                value = value[key]
                break
    tables = by_table(value)
    if not tables:
        raise ImportNodeError(
            f'{name}: a JSON object is expected such as {{"users": {{"groupBy": ["status"], "limit": 1000}}}}, or'
            " one with the key tableConfigs that holds it"
        )
    return FoundRules({table: TableRules(table, rules, name) for table, rules in tables.items()}, listed, [name])


def _evaluated(project: NodeProject, candidates: Sequence[Candidate], env: Mapping[str, str]) -> FoundRules:
    found = FoundRules()
    if not candidates:
        return found
    engine = find_engine()
    questions = [
        Question(each.source.path, each.source.is_module, [literal.text for literal in each.literals])
        for each in candidates
    ]
    first, second = ([*evaluate(engine, project.root, questions, env, moment)] for moment in _MOMENTS)
    found.loads = {(project.root / one, project.root / other) for one, other in first[-1]["loads"]}
    for candidate, now, later in zip(candidates, first, second, strict=True):
        _take(found, candidate, now, later, candidates)
    found.lost = {table: why for table, why in found.lost.items() if table not in found.tables}
    return found


def _take(
    found: FoundRules,
    candidate: Candidate,
    now: Mapping[str, Any],
    later: Mapping[str, Any],
    candidates: Sequence[Candidate],
) -> None:
    """Add what one file holds."""
    error = now["error"]
    pairs = list(zip(now["exports"], later["exports"], strict=False))
    starts = error is None or not error["final"]
    known = starts and not pairs
    literals = list(_outermost(candidate, now["literals"], later["literals"], found)) if known else []
    if error and candidate.has_rules and not (starts and (pairs or now["literals"])):
        garbled = ". The file is not UTF-8, as Node expects it: save it so" if candidate.source.garbled else ""
        found.fail(_place(candidate, error), f"{_words(error)}{garbled}")
    for each, then in pairs:
        _add(found, candidate, each, then, lambda table: _place_of(table, candidate, candidates))
    for literal, each, then in literals:
        place = candidate.source.place(literal.start)
        if not each.get("single"):
            _add(found, candidate, each, then, partial(candidate.place_of, within=literal))
        elif not any(each["value"].values()):
            continue
        elif literal.table is None:
            found.fail(place, "it is not known which table it is about")
        else:
            single, later_single = (_under(literal.table, rules) for rules in (each, then))
            _add(found, candidate, single, later_single, partial(_always, place))


def _outermost(
    candidate: Candidate,
    now: Sequence[Mapping[str, Any]],
    later: Sequence[Mapping[str, Any]],
    found: FoundRules,
) -> Iterator[tuple[Literal, dict[str, Any], dict[str, Any]]]:
    """The literals that are rules, without those inside of another one."""
    taken: list[Literal] = []
    wrong: list[tuple[Literal, str]] = []
    for literal, first, second in zip(candidate.literals, now, later, strict=True):
        if any(outer.holds(literal) for outer in taken):
            continue
        if literal.needs_this:
            wrong.append((literal, "it asks `this`, an object that exists only while the service runs"))
        elif "error" in first or "error" in second:
            wrong.append((literal, _words(first.get("error") or second["error"])))
        elif first["found"] is not None and second["found"] is not None:
            taken.append(literal)
            yield literal, first["found"], second["found"]
    # Of a literal that fails, its parts may do; what matters is the innermost one that does not.
    for literal, why in wrong:
        inside = [*taken, *(other for other, _ in wrong)]
        if not any(literal.holds(other) for other in inside) and (literal.is_written_out or literal.is_under_key):
            found.fail(candidate.source.place(literal.start), why, literal.table)


def _add(
    found: FoundRules,
    candidate: Candidate,
    now: dict[str, Any],
    later: dict[str, Any],
    place_of: Callable[[str], str | None],
) -> None:
    """Add the rules of several tables.

    Raises:
        ImportNodeError: another file has other rules for one of them.
    """
    name = candidate.source.name
    tables, after = by_table(now["value"]), by_table(later["value"])
    for table, why in not_evaluated(now, tables):
        found.fail(place_of(table) or name, why, table)
    for table, value in tables.items():
        own = [
            (tuple(each["at"][1:]), each["kind"])
            for each in now["odd"]
            if each["at"][:1] in ([table], [index_of(now["value"], table)])
        ]
        rules = TableRules(table, value, place_of(table) or name, own, tuple(_differences(value, after.get(table))))
        before = found.tables.setdefault(table, rules)
        if before.value != value:
            raise ImportNodeError(
                f"The rules of {table} stand at {before.place} and, otherwise, at {rules.place}. Say with --rules which"
                f" file to take, such as --rules {name}"
            )
        if name not in found.taken_from:
            found.taken_from.append(name)
    found.listed = found.listed or now.get("tables")


def _under(table: str, single: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": {table: single["value"]}, "odd": [{**each, "at": [table, *each["at"]]} for each in single["odd"]]}


def _always(place: str, _table: str) -> str:
    return place


def _place_of(table: str, candidate: Candidate, candidates: Iterable[Candidate]) -> str | None:
    return next((place for each in (candidate, *candidates) if (place := each.place_of(table))), None)


def _place(candidate: Candidate, error: Mapping[str, Any]) -> str:
    line = error.get("line")
    return f"{candidate.source.name}:{line}" if line else candidate.source.name


def _words(error: Mapping[str, Any]) -> str:
    return f"{error['name']}: {error['message']}"


def _differences(now: object, later: object, at: Path_ = ()) -> Iterator[tuple[Path_, str, str]]:
    """Where two values differ."""
    if isinstance(now, dict) and isinstance(later, dict):
        for key in {**now, **later}:
            yield from _differences(now.get(key), later.get(key), (*at, key))
    elif isinstance(now, list) and isinstance(later, list) and len(now) == len(later):
        for index, (one, other) in enumerate(zip(now, later, strict=True)):
            yield from _differences(one, other, (*at, index))
    elif now != later:
        yield at, str(now), str(later)
