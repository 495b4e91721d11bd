"""Texts that a comma cut in two inside of { } or [ ]: `{where: d >= DATE_SUB(NOW(), INTERVAL 1 DAY)}` is two keys to
YAML.

They are put together again only so that one issue is reported, and not all that follow from it.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import yaml

_QUOTED: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|`[^`]*`""")
_OPENED_QUOTE: Final = re.compile(r"""(?:^|[\s(=<>!,])['"]""")
_THOUSANDS: Final = re.compile(r"[0-9]{3}")

Pair = tuple[yaml.Node, yaml.Node]


class Cut(NamedTuple):
    """A text that was cut; `first` is the node that holds its beginning, `key` (or index) where it stands, `text` the
    whole.
    """

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


def rejoined_items(items: Sequence[yaml.Node]) -> tuple[list[yaml.Node], list[Cut]]:
    """The items of a list in brackets, those that a comma cut as one, and which those are."""
    result: list[yaml.Node] = []
    cuts: list[Cut] = []
    place = 0
    while place < len(items):
        texts = [_plain(item) for item in items[place:]]
        length = _length(texts)
        result.append(items[place] if length == 1 else _whole(items[place], len(result), texts[:length], cuts))
        place += length
    return result, cuts


def rejoined_pairs(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Cut]]:
    """The same of a mapping in braces, where what a comma cut off stands as a key without a value."""
    result: list[Pair] = []
    cuts: list[Cut] = []
    place = 0
    while place < len(pairs):
        key, value = pairs[place]
        rest = [_plain(following) if _plain(empty) == "" else None for following, empty in pairs[place + 1 :]]
        texts = [_plain(value), *rest]
        length = _length(texts)
        result.append((key, value if length == 1 else _whole(value, str(key.value), texts[:length], cuts)))
        place += length
    return result, cuts


def _length(texts: Sequence[str | None]) -> int:
    """How many of the texts, from the first, are one that commas cut; 1 where it is whole."""
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
    bare = _QUOTED.sub("", text)
    return bare.count("(") > bare.count(")") or _OPENED_QUOTE.search(bare) is not None


def _plain(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) and node.style is None else None


def _whole(first: yaml.Node, key: str | int, texts: Sequence[str | None], cuts: list[Cut]) -> yaml.Node:
    number = str(texts[0]).isdigit()
    text = ("" if number else ", ").join(map(str, texts))
    cuts.append(Cut(first, key, text))
    return yaml.ScalarNode(first.tag, text, first.start_mark, first.end_mark, style=None if number else "'")
