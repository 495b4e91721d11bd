"""Turns the rules of one table into an entry of aggregation.yaml, and says what differs from the old service.

There a table was one query: fields and figures together, in groups, cut at 1000 rows. Here it has up to two datasets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any, Final

from pydantic import ValidationError

from aggregation_pipeline.config.columns import FUNCTIONS
from aggregation_pipeline.config.sql.expressions import is_plain_word, split_direction
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.yaml.writing import Commented, Node
from aggregation_pipeline.node_import.lists import as_aggregation, as_column, as_items, as_order, is_aggregate
from aggregation_pipeline.node_import.report import Item, Kind
from aggregation_pipeline.node_import.rules import TableRules

# What the old service took where a rule had none.
SILENT_LIMIT: Final = 1000
_SPELLINGS: Final = {
    "groupBy": "group_by",
    "selectFields": "select_fields",
    "orderBy": "order_by",
    "tableName": "table",
}
_KNOWN: Final = frozenset(
    ("group_by", "select_fields", "aggregations", "where", "having", "order_by", "limit", "table", "description")
)
_DISTINCT: Final = re.compile(r"DISTINCT\s+(.+)", re.IGNORECASE | re.DOTALL)
# Without one of these the files would hold other rows.
_DECIDES_ROWS: Final = frozenset(("where", "having", "limit", "group_by", "table", "name"))
_WIDTH: Final = 100
_LISTS: Final = ("group_by", "aggregations", "select_fields", "order_by")
_NO_RULES: Final = "It had no rules: all its columns are taken, personal ones too."
_WRITTEN_OUT: Final = f"limit: {SILENT_LIMIT} is written out; the old service cut there without a word"
_SILENT: Final = f"the old service cut here at {SILENT_LIMIT} rows without a word; take the line out for all rows"


@dataclass
class Draft:
    """An entry that is being made.

    Attributes:
        values: the keys of the entry; None once it cannot be carried over.
        has_silent_limit: whether its limit is the one that the old service set without a word.
    """

    table: str
    place: str
    values: dict[str, Any] | None = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    has_silent_limit: bool = False

    def say(self, kind: Kind, text: str) -> None:
        """Add a line to the report."""
        self.items.append(Item(kind, self.table, text, self.place))

    def give_up(self, text: str) -> None:
        """The table is not carried over."""
        self.values = None
        self.items = [item for item in self.items if item.kind == "not carried"]
        self.say("not carried", text)


def entry_of_rules(rules: TableRules, secrets: Sequence[str]) -> Draft:
    """The entry of a table that has rules. `secrets` are values that may stand in no file."""
    draft = Draft(rules.table, rules.place)
    if problem := _unusable(rules, secrets):
        draft.give_up(problem)
        return draft
    values = {_SPELLINGS.get(key, key): value for key, value in rules.value.items()}
    for key in sorted(values.keys() - _KNOWN):
        draft.say(
            "not carried", f"{key}: the old service's own code gave it a meaning; docs/configuration.md has the keys"
        )
    draft.values = _entry_values(values)
    _without_odd_items(draft, rules)
    _two_datasets(draft)
    _order(draft, as_order(values.get("order_by")))
    _limit(draft, values.get("limit"))
    _check(draft)
    _summarize(draft)
    return draft


def entry_without_rules(table: str, place: str) -> Draft:
    """The entry of a table that has none: all columns, ordered by id, and cut."""
    draft = Draft(table, place, {"select_fields": ["*"], "order_by": ["id"], "limit": SILENT_LIMIT})
    _check(draft)
    if draft.values is not None:
        draft.has_silent_limit = True
        draft.say(
            "carried",
            f"it has no rules: SELECT * ... ORDER BY id LIMIT {SILENT_LIMIT}, as before; that takes all columns,"
            f" personal ones too. To count its rows only, write {table}: {{}}",
        )
    return draft


def entry_not_read(table: str, place: str, why: str) -> Draft:
    """A table whose rules are not known: no entry, since one without rules would take all its rows and columns."""
    draft = Draft(table, place)
    draft.give_up(f"{why}. It gets no entry: write one by hand, or give the rules as JSON with --rules")
    return draft


def with_comments(draft: Draft) -> Node:
    """The entry as it is written."""
    values: dict[str, Node] = dict(draft.values or {})
    if draft.has_silent_limit:
        values["limit"] = Commented(SILENT_LIMIT, above=(_SILENT,))
    above = [f"From {draft.place}." if draft.place else _NO_RULES]
    above += [item.text for item in draft.items if item.kind != "carried" and item.text != _WRITTEN_OUT]
    lines = [line for text in above for line in wrap(_sentence(" ".join(text.split())), _WIDTH)]
    return Commented(values, above=tuple(lines))


def _sentence(text: str) -> str:
    # A key is written as it is, also where a sentence begins with it.
    word = text.partition(" ")[0]
    start = text[0].upper() if word.islower() and word.isalpha() else text[0]
    return f"{start}{text[1:]}" + ("" if text.endswith(".") else ".")


def _unusable(rules: TableRules, secrets: Sequence[str]) -> str:
    """Why a table cannot be carried over at all; empty if it can."""
    text = str(rules.value)
    if any(secret in text for secret in secrets):
        return "its rules hold the value of a secret variable, which belongs into no file: write the entry without it"
    if "\ufffd" in text:
        return "its file is not UTF-8, so that Node does not read its texts as they were meant: save it as UTF-8"
    if rules.changing:
        differences = "; ".join(
            f"{_path(path)} was {one!r} at one time and {other!r} at another" for path, one, other in rules.changing[:5]
        )
        return (
            f"{differences}. Write it with NOW(), which is the time of the run here, such as"
            " created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)"
        )
    for path, kind in rules.odd:
        if not path or _SPELLINGS.get(str(path[0]), path[0]) in _DECIDES_ROWS:
            return (
                f"{_path(path)} {_odd(kind)}: install its packages there (npm install), write the entry, or print"
                " the rules as JSON and take --rules"
            )
    return ""


def _odd(kind: str) -> str:
    """What a value is that is no JSON."""
    if kind.startswith("package "):
        return f"comes of {kind}, which is not installed there or does not run while rules are read"
    return f"is a {kind}, which no file can hold"


def _entry_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that need no thought, in the order in which people write them."""
    made: dict[str, Any] = {key: values[key] for key in ("description", "table") if values.get(key)}
    made["group_by"] = [as_column(item) for item in as_items(values.get("group_by"))]
    fields = as_items(values.get("select_fields"))
    figures = [item for item in fields if isinstance(item, str) and is_aggregate(item)]
    made["select_fields"] = [as_column(item) for item in fields if item not in figures]
    if fields and isinstance(fields[0], str) and (distinct := _DISTINCT.match(fields[0])) and not made["group_by"]:
        # SELECT DISTINCT a, b is what groups of a and b without aggregations are.
        made["group_by"] = [distinct[1], *made.pop("select_fields")[1:]]
    figures = [*as_items(values.get("aggregations")), *figures]
    made["aggregations"] = [as_aggregation(item, FUNCTIONS) for item in figures]
    for key in ("where", "having"):
        condition = values.get(key)
        if isinstance(condition, list) and all(isinstance(each, str) for each in condition):
            condition = " AND ".join(f"({each})" for each in condition)
        if condition:
            made[key] = condition
    order = ("description", "table", "group_by", "aggregations", "select_fields", "where", "having")
    return {key: made[key] for key in order if made.get(key)}


def _without_odd_items(draft: Draft, rules: TableRules) -> None:
    for path, kind in rules.odd:
        draft.say("not carried", f"{_path(path)} {_odd(kind)}")
        key = _SPELLINGS.get(str(path[0]), str(path[0]))
        if draft.values and key in _LISTS and key in draft.values:
            draft.values[key] = [
                item for item in draft.values[key] if item not in (None, {}) and None not in _parts(item)
            ]


def _parts(item: object) -> list[object]:
    return list(item.values()) if isinstance(item, dict) else [item]


def _two_datasets(draft: Draft) -> None:
    """Fields beside groups were one query there."""
    values = draft.values or {}
    fields, keys, figures = (values.get(key, []) for key in ("select_fields", "group_by", "aggregations"))
    if not (keys or figures):
        return
    if fields and all(item in keys for item in fields):
        del values["select_fields"]
        shown = [item for item in keys if item not in fields]
        more = f", and {_listed(shown)} besides, which it grouped by and did not show" if shown else ""
        draft.say("changed", f"its fields are group keys, which the summary has anyway{more}")
    elif fields:
        how = "in groups" if keys else "with aggregates"
        draft.say(
            "changed",
            f"fields {how} were one query, which picked any row of a group for them and fails under"
            " ONLY_FULL_GROUP_BY; here they are two datasets: summary has groups and figures, detail has the fields of"
            " every row. Take select_fields out if nobody reads the rows",
        )
    elif keys:
        draft.say("changed", f"the summary also has its group keys, {_listed(keys)}, which the old query did not show")


def _order(draft: Draft, items: list[str]) -> None:
    values = draft.values or {}
    if not items:
        return
    grouped = bool(values.get("group_by") or values.get("aggregations"))
    fields = values.get("select_fields", [])
    kept = [item for item in items if fields and (not grouped or _is_of_detail(item, fields))]
    if kept:
        values["order_by"] = kept
    if grouped:
        draft.say(
            "changed",
            f"orderBy {', '.join(items)}: the summary comes in the order of its group keys, and a limit keeps the first"
            " of these" + ("; order_by is that of the detail rows" if kept else ""),
        )


def _is_of_detail(item: str, fields: Sequence[object]) -> bool:
    column = split_direction(item.strip())[0].strip()
    names = [each["alias"] if isinstance(each, dict) else each for each in fields]
    return is_plain_word(column) and ("*" in names or column in names)


def _limit(draft: Draft, limit: object) -> None:
    if draft.values is None:
        return
    if isinstance(limit, str) and re.fullmatch(r"\s*\d+\s*", limit):
        limit = int(limit)
    if limit in (None, 0, False, ""):
        draft.values["limit"] = SILENT_LIMIT
        draft.has_silent_limit = True
        draft.say("changed", _WRITTEN_OUT)
    else:
        draft.values["limit"] = limit


def _check(draft: Draft) -> None:
    """Take out what an entry cannot have; give the table up where other rows would come of that."""
    while draft.values is not None:
        try:
            TableEntry.model_validate({"name": draft.table, **draft.values})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
        else:
            return
        words = str(problem["msg"]).removeprefix("Value error, ")
        key, *rest = problem["loc"] or ("name",)
        at = _path((key, *rest[:1]))
        if key in _DECIDES_ROWS or key not in draft.values:
            draft.give_up(f"{at}: {words}. Write the entry by hand, in aggregation.yaml and in AGGREGATION_TABLES")
            return
        draft.say("not carried", f"{at}: {words}")
        if key in _LISTS and rest and isinstance(rest[0], int) and len(draft.values[key]) > 1:
            draft.values[key] = [item for index, item in enumerate(draft.values[key]) if index != rest[0]]
        else:
            del draft.values[key]
        if not any(draft.values.get(each) for each in ("group_by", "aggregations", "select_fields")):
            draft.give_up("nothing of it is left that an entry can have")
            return


def _summarize(draft: Draft) -> None:
    values = draft.values
    if values is None:
        return
    counts = [
        f"{len(values[key])} {name}{'' if len(values[key]) == 1 else 's'}"
        for key, name in (("group_by", "group key"), ("aggregations", "aggregation"), ("select_fields", "field"))
        if values.get(key)
    ]
    rest = [key for key in ("where", "having", "order_by", "limit") if key in values]
    draft.items.insert(0, Item("carried", draft.table, ", ".join([*counts, *rest]), draft.place))


def _path(path: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".") or "it"


def _listed(items: Sequence[object]) -> str:
    return ", ".join(
        str(item.get("alias") or item.get("expr")) if isinstance(item, dict) else str(item) for item in items
    )
