"""The lists of a rule in all the ways in which JavaScript people write them: texts with commas, objects, arrays."""

import re
from collections.abc import Iterator
from typing import Any, Final

_ALIAS: Final = re.compile(r"(?P<expr>.+?)\s+AS\s+(?P<alias>\w+|`[^`]+`)\s*", re.IGNORECASE | re.DOTALL)
_AGGREGATE: Final = re.compile(r"\s*(?:COUNT|SUM|AVG|MIN|MAX|GROUP_CONCAT|STD\w*|VAR\w*)\s*\(", re.IGNORECASE)
_DISTINCT: Final = re.compile(r"DISTINCT\b\s*(.+)", re.IGNORECASE | re.DOTALL)
_CALL: Final = re.compile(r"(?P<function>\w+)\s*\(\s*(?P<field>(?:[^()]|\([^()]*\))*)\s*\)\s*", re.DOTALL)
_PART: Final = re.compile(r"""'(?:\\.|''|[^'\\])*'|"(?:\\.|""|[^"\\])*"|`[^`]*`|[(),]|[^'"`(),]+|.""", re.DOTALL)


def split_items(text: str) -> list[str]:
    """The items of a text with commas between them, outside of brackets and quotes."""
    items, depth = [""], 0
    for part in _PART.findall(text):
        depth += (part == "(") - (part == ")")
        if part == "," and depth <= 0:
            items.append("")
        else:
            items[-1] += part
    return [item.strip() for item in items if item.strip()]


def as_items(value: object) -> list[Any]:
    """A list; a text is split at its commas."""
    if value is None:
        return []
    if isinstance(value, str):
        return list(split_items(value))
    return list(value) if isinstance(value, list) else [value]


def as_column(item: object) -> object:
    """A group key or a field as an entry has it: a text, or a mapping of expr and alias."""
    if isinstance(item, str):
        named = _ALIAS.fullmatch(item.strip())
        return {"expr": named["expr"], "alias": named["alias"].strip("`")} if named else item.strip()
    if isinstance(item, dict):
        expr = next((item[key] for key in ("expr", "expression", "field", "column", "name") if key in item), None)
        alias = next((item[key] for key in ("alias", "as") if item.get(key)), None)
        return expr if alias is None else {"expr": expr, "alias": alias}
    return item


def as_aggregation(item: object, functions: tuple[str, ...]) -> object:
    """An aggregation as an entry has it. A function that entries do not know becomes an expression."""
    if isinstance(item, str):
        column = as_column(item)
        known: dict[str, Any] = {"alias": column["alias"]} if isinstance(column, dict) else {}
        expr = column["expr"] if isinstance(column, dict) else column
        call = _CALL.fullmatch(str(expr))
        if not call or call["function"].upper() not in functions:
            return {"expr": expr, **known}
        return _called(call["function"], call["field"].strip() or "*", known, functions)
    if not isinstance(item, dict):
        return item
    parts: dict[str, Any] = dict(item)
    function = next((parts[key] for key in ("function", "func", "fn", "type") if key in parts), None)
    alias = parts.get("alias") or parts.get("as")
    field = parts.get("field", parts.get("column"))
    named = {} if alias is None else {"alias": alias}
    if function is None:
        expr = parts.get("expr", parts.get("expression"))
        return {"expr": expr, **named}
    return _called(str(function), field, named, functions)


def is_aggregate(text: str) -> bool:
    """Whether a field is a figure: COUNT(*) AS orders."""
    return _AGGREGATE.match(text) is not None


def _called(function: str, field: object, named: dict[str, Any], functions: tuple[str, ...]) -> dict[str, Any]:
    """A function of a field, as one that entries know or as an expression."""
    name = re.sub(r"[\s_]+", " ", function.strip()).upper().replace("GROUP CONCAT", "GROUP_CONCAT")
    text = "*" if field is None else str(field).strip()
    distinct = _DISTINCT.fullmatch(text)
    if name == "COUNT" and distinct and len(split_items(distinct[1])) == 1:
        return {"function": "COUNT DISTINCT", "field": _without_brackets(distinct[1].strip()), **named}
    if name in functions and not distinct:
        return {"function": name, **({} if text == "*" and name == "COUNT" else {"field": text}), **named}
    return {"expr": f"{name.replace(' ', '_')}({text})", **named}


def _without_brackets(text: str) -> str:
    whole = re.fullmatch(r"\(([^()]*)\)", text)
    return whole[1].strip() if whole else text


def as_order(value: object) -> list[str]:
    """The items of orderBy, each with its direction."""
    if isinstance(value, dict) and not {"field", "column"} & value.keys():
        return [f"{column} {direction}".strip() for column, direction in value.items()]
    return list(_orders(value))


def _orders(value: object) -> Iterator[str]:
    for item in as_items(value):
        if isinstance(item, dict):
            column = item.get("field", item.get("column", item.get("expr")))
            direction = item.get("direction", item.get("order", item.get("dir", "")))
            yield f"{column} {direction}".strip()
        elif isinstance(item, list):
            yield " ".join(map(str, item))
        else:
            yield str(item)
