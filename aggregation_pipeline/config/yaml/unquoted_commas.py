"""Texts without quotes that a comma splits inside of { } or [ ].

`{where: d >= DATE_SUB(NOW(), INTERVAL 1 DAY)}` is two keys to YAML. The parts are joined again, so that this one issue
is reported instead of all that would follow from it.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import yaml

from aggregation_pipeline.config.messages.likely_causes import QUOTED

_OPENED_QUOTE: Final = re.compile(r"""(?:^|[\s(=<>!,])['"]""")
_THOUSANDS: Final = re.compile(r"[0-9]{3}")

Pair = tuple[yaml.Node, yaml.Node]


class SplitText(NamedTuple):
    """A text that a comma split: the node with its first part, its key or index, and the whole text."""

    first: yaml.Node
    key: str | int
    text: str

    @property
    def message(self) -> str:
        """What is wrong, and the remedy."""
        if self.text.isdigit():
            return f"inside {{ }} a comma ends a value; write the number as {self.text}"
        quote = '"' if "'" in self.text else "'"
        return f"inside {{ }} and [ ] a comma ends the text; put the whole in quotes: {quote}{self.text}{quote}"


def join_items(items: Sequence[yaml.Node]) -> tuple[list[yaml.Node], list[SplitText]]:
    """The items of a list in brackets, split texts joined to one item; and the texts that were joined."""
    result: list[yaml.Node] = []
    joined: list[SplitText] = []
    index = 0
    while index < len(items):
        texts = [_plain_text(item) for item in items[index:]]
        length = _parts_of_first(texts)
        result.append(items[index] if length == 1 else _join(items[index], len(result), texts[:length], joined))
        index += length
    return result, joined


def join_pairs(pairs: Sequence[Pair]) -> tuple[list[Pair], list[SplitText]]:
    """The same for a mapping in braces, where the rest of a split text is a key without a value."""
    result: list[Pair] = []
    joined: list[SplitText] = []
    index = 0
    while index < len(pairs):
        key, value = pairs[index]
        rest = [_plain_text(other) if _plain_text(empty) == "" else None for other, empty in pairs[index + 1 :]]
        texts = [_plain_text(value), *rest]
        length = _parts_of_first(texts)
        result.append((key, value if length == 1 else _join(value, str(key.value), texts[:length], joined)))
        index += length
    return result, joined


def _parts_of_first(texts: Sequence[str | None]) -> int:
    """How many texts are parts of the first one; 1 if no comma split it. None is a node that is no plain text."""
    first = texts[0]
    if first is None:
        return 1
    if first.isdigit() and len(texts) > 1 and _THOUSANDS.fullmatch(texts[1] or ""):
        return 2
    if not _is_open(first):
        return 1
    for length in range(2, len(texts) + 1):
        if texts[length - 1] is None:
            return 1
        if not _is_open(", ".join(map(str, texts[:length]))):
            return length
    return 1


def _is_open(text: str) -> bool:
    """Whether a bracket or a quote is never closed in a text."""
    bare = QUOTED.sub("", text)
    return bare.count("(") > bare.count(")") or _OPENED_QUOTE.search(bare) is not None


def _plain_text(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) and not node.style else None


def _join(first: yaml.Node, key: str | int, texts: Sequence[str | None], joined: list[SplitText]) -> yaml.Node:
    is_number = str(texts[0]).isdigit()
    text = ("" if is_number else ", ").join(map(str, texts))
    joined.append(SplitText(first, key, text))
    return yaml.ScalarNode(first.tag, text, first.start_mark, first.end_mark, style=None if is_number else "'")
