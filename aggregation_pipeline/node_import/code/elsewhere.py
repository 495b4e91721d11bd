"""What code elsewhere does with rules: changes them while the service runs, or has a limit for those without one."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from aggregation_pipeline.node_import.code.javascript import Token
from aggregation_pipeline.node_import.code.sources import NodeProject

_KEYS: Final = frozenset(("groupBy", "aggregations", "selectFields", "where", "having", "orderBy", "limit"))
_CHANGES: Final = frozenset(("push", "unshift", "splice", "pop", "concat"))
_LIMIT: Final = re.compile(r"(default|max|row)?_?limit", re.IGNORECASE)
# limit = 500, limit || 500, limit ?? 500; in the text of a query too.
_LIMIT_IN_TEMPLATE: Final = re.compile(r"limit\s*(?:\|\||\?\?)\s*(\d+)\s*\}", re.IGNORECASE)
_OF_A_REQUEST: Final = frozenset(("query", "params", "body"))


def changed_later(project: NodeProject, tables: Collection[str], ran: Collection[Path]) -> Iterator[tuple[str, str]]:
    """The tables whose rules a file changes that was not run, as `rules.users.limit = 5`; each with the place."""
    for source in project.loaded.values():
        if source.path in ran:
            continue
        for index, token in enumerate(source.tokens):
            if index and token.value in tables and _is_changed(source.tokens, index):
                yield token.value, source.place(index)


def _is_changed(tokens: Sequence[Token], index: int) -> bool:
    before, after = tokens[index - 1].text, index + 1
    if before not in {".", "["}:
        return False
    after += before == "["
    texts = [token.text for token in tokens[after : after + 4]]
    if texts[:1] == ["="] or [token.text for token in tokens[max(index - 6, 0) : index]].count("delete"):
        return True
    match texts:
        case [".", key, sign, call]:
            return key in _KEYS and (sign == "=" or (sign == "." and call in _CHANGES))
    return False


def limits_in(project: NodeProject) -> Iterator[tuple[int, str]]:
    """The limits that the code has for rules without one, each with its place."""
    for source in project.loaded.values():
        for index, token in enumerate(source.tokens):
            if token.kind == "template":
                texts = _LIMIT_IN_TEMPLATE.findall(token.text)
            else:
                texts = _limit_at(source.tokens, index)
            yield from ((int(text), source.place(index)) for text in texts)


def _limit_at(tokens: Sequence[Token], index: int) -> list[str]:
    if not _LIMIT.fullmatch(tokens[index].text) or (index > 1 and tokens[index - 2].text in _OF_A_REQUEST):
        return []
    match tokens[index + 1 : index + 3]:
        case [sign, value] if sign.text in {"=", "||", "??"} and value.text.isdigit():
            return [value.text]
    return []
