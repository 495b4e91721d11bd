"""The rules of each table in a value: a mapping from tables, or a list of rules that name theirs."""

from collections.abc import Iterator, Mapping
from typing import Any


def by_table(value: object) -> dict[str, dict[str, Any]]:
    """The rules by table, from a mapping or from a list of rules that name their table."""
    if isinstance(value, dict):
        return {str(table): rules for table, rules in value.items() if isinstance(rules, dict)}
    if isinstance(value, list):
        named = ((each.get("table") or each.get("name"), each) for each in value if isinstance(each, dict))
        return {
            name: {key: part for key, part in rules.items() if key not in {"table", "name"}}
            for name, rules in named
            if isinstance(name, str)
        }
    return {}


def index_of(value: object, table: str) -> int | None:
    """Where the rules of a table stand in a list of rules."""
    if not isinstance(value, list):
        return None
    return next(
        (
            i
            for i, each in enumerate(value)
            if isinstance(each, dict) and table in (each.get("table"), each.get("name"))
        ),
        None,
    )


def not_evaluated(now: Mapping[str, Any], tables: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The tables of a mapping that have something else than rules, with what it is."""
    for each in now["odd"]:
        if len(each["at"]) == 1 and str(each["at"][0]) not in tables:
            yield str(each["at"][0]), f"its rules are a {each['kind']}, which is not evaluated"
    if isinstance(now["value"], dict):
        for table, value in now["value"].items():
            if table not in tables and isinstance(value, (str, list)) and value:
                yield table, "what stands for its rules is no object"
