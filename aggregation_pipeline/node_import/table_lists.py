"""Which tables the Node service runs: those that `.env` names if the code reads it, a list in it, those with rules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.node_import.code.code_defaults import Default, code_defaults, list_at
from aggregation_pipeline.node_import.code.sources import NodeProject
from aggregation_pipeline.node_import.report import Item
from aggregation_pipeline.node_import.rules import FoundRules
from aggregation_pipeline.settings.messages import split_list

_NAME: Final = "AGGREGATION_TABLES"
# TABLES, tableNames, table_list, defaultTables, TABLES_TO_EXPORT; not tableHeaders, and not skippedTables.
_LIST: Final = re.compile(r"#?(\w*tables|\w*table_?(names?|list))(_?to_?\w+)?", re.IGNORECASE)
_OTHER: Final = re.compile(r"skip|ignore|exclu|except|omit|without|hidden|block|deny|black", re.IGNORECASE)


@dataclass(frozen=True)
class Listed:
    """The tables to run, where that is said, and what is left to look at."""

    names: Sequence[str]
    place: str = ""
    items: Sequence[Item] = field(default=())


def tables_of(project: NodeProject | None, found: FoundRules, env: Mapping[str, str]) -> Listed:
    """The tables that the service runs."""
    with_rules = [*found.tables, *found.lost]
    wanted = split_list(env.get(_NAME, ""))
    is_read = project is None or any(_NAME in source.text for source in project.loaded.values())
    if wanted and is_read:
        return Listed(_once(wanted), ".env")
    items: list[Item] = []
    if wanted and with_rules:
        text = "no code that is loaded reads it, so it decides nothing there. See whether the tables are the right ones"
        items.append(Item("not carried", _NAME, text, ".env"))
    elif wanted:
        return Listed(_once(wanted), ".env")
    if found.listed:
        return Listed(_once(found.listed), found.taken_from[0] if found.taken_from else "", items)
    default = code_defaults(project).get(_NAME) if project else None
    if default and (names := split_list(default.value)):
        return Listed(_once(names), default.place, items)
    lists = list(_lists_in(project, set(with_rules))) if project else []
    if len({frozenset(split_list(each.value)) for each in lists}) == 1:
        return Listed(_once(split_list(lists[0].value)), lists[0].place, items)
    if lists:
        places = ", ".join(each.place for each in lists[:5])
        text = f"there are several lists of tables, at {places}; all tables with rules are taken. Keep those that ran"
        items.append(Item("not carried", _NAME, text, lists[0].place))
    return Listed(_once(with_rules), "", items)


def _once(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _lists_in(project: NodeProject, with_rules: set[str]) -> Iterator[Default]:
    """The lists of texts that are called tables: constants, fields and keys, with a table that has rules if any has."""
    for source in project.loaded.values():
        tokens = source.tokens
        for index in range(len(tokens) - 3):
            name, sign = tokens[index], tokens[index + 1]
            if sign.text not in {"=", ":"} or not _LIST.fullmatch(name.value) or _OTHER.search(name.value):
                continue
            value = list_at(tokens, index + 2)
            if value and (not with_rules or with_rules & set(split_list(value))):
                yield Default(value, source.place(index))
