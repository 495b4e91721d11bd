"""Entries as text of YAML, in the style of the sample `aggregation.yaml`, that the loader reads back as they were.

Lists and mappings of few values stand on one line, as do the items of a list. Whatever a YAML reader could take for
something else stands in quotes: also words such as `no` and `on`, which only older readers misread.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from aggregation_pipeline.config.yaml.composer import parse_plain

_WIDTH: Final = 118
# YAML reads no longer keys without a question mark before them.
_LONGEST_KEY: Final = 1000
# Inside of these nothing is a mark of YAML, on its own line or between braces.
_PLAIN: Final = re.compile(r"[^\W\d](?:[\w.()*/+=<>$-]| (?=[\w.()*/+=<>$-]))*|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS_OF_OLDER_READERS: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
# What no line of YAML shows as it is; a tab is there but cannot be told from blanks.
_UNSEEN: Final = re.compile("[^ -~\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Commented:
    """A value with comments: lines `above` it, and one at the end of its first line."""

    value: "Value"
    above: tuple[str, ...] = ()
    beside: str = ""


Value: TypeAlias = str | int | float | bool | Sequence["Node"] | Mapping[str, "Node"] | None
Node: TypeAlias = Value | Commented


def file_text(head: Sequence[str], entries: Mapping[str, Node], rest: Mapping[str, Node] | None = None) -> str:
    """A whole file: `head` as comment lines, the `rest` of its keys (options, source_limits), and the entries."""
    lines = [*_comment_lines(head, 0), ""] if head else []
    for key, node in (rest or {}).items():
        lines += [*_pair(key, node, 0), ""]
    blocks = [entry_text(name, body) for name, body in entries.items()]
    return "\n".join([*lines, "tables:" if blocks else "tables: {}", *("\n".join(blocks).splitlines())]) + "\n"


def entry_text(name: str, body: Node, indent: int = 2) -> str:
    """One entry with its name, as lines below `tables:`.

    Raises:
        ValueError: it holds what the loader reads from no file: half a surrogate pair, an infinite or gigantic number.
    """
    return "\n".join(_pair(name, body, indent, one_line=False)) + "\n"


def _pair(key: str, node: Node, indent: int, *, one_line: bool = True) -> list[str]:
    """The lines of a key and its value."""
    value, above, beside = _parts(node)
    written = _one_line_text(key)
    if len(written) > _LONGEST_KEY:
        start = [f"{' ' * indent}? {written}", f"{' ' * indent}:"]
    else:
        start = [f"{' ' * indent}{written}:"]
    short = _short(value) if one_line or _is_scalar(value) or not value else None
    if short is not None and _holds_mappings(value):
        short = None
    return [*_comment_lines(above, indent), *start[:-1], *_after(start[-1], value, beside, indent, short)]


def _after(start: str, value: "Value", beside: str, indent: int, short: str | None) -> list[str]:
    """A value behind `start`, a key or a dash: on the same line, or on lines of its own."""
    comment = f"  # {_one_line(beside)}" if beside else ""
    if isinstance(value, str) and _can_be_block(value):
        mark, padding = "|" if value.endswith("\n") else "|-", " " * (indent + 2)
        lines = [f"{padding}{line}" if line else "" for line in value.removesuffix("\n").split("\n")]
        return [f"{start} {mark}{comment}", *lines]
    if short is not None and (_is_scalar(value) or not value or len(start) + 1 + len(short) <= _WIDTH):
        return [f"{start} {short}{comment}"]
    if isinstance(value, Mapping):
        inner = [line for key, node in value.items() for line in _pair(key, node, indent + 2)]
        if start.endswith("-") and not comment and not inner[0].lstrip().startswith("#"):
            return [f"{start} {inner[0].lstrip()}", *inner[1:]]
    else:
        inner = [line for node in _items(value) for line in _item(node, indent + 2)]
    return [f"{start}{comment}", *inner]


def _item(node: Node, indent: int) -> list[str]:
    value, above, beside = _parts(node)
    return [*_comment_lines(above, indent), *_after(f"{' ' * indent}-", value, beside, indent, _short(value))]


def _short(value: Value) -> str | None:
    """The value on one line; None where that cannot be read, or holds comments."""
    if isinstance(value, str):
        return _one_line_text(value)
    if _is_scalar(value):
        return _other_scalar(value)
    if isinstance(value, Mapping):
        parts = [_short_pair(key, node) for key, node in value.items()]
        braces = "{}"
    else:
        items = _items(value)
        parts = [None] if _may_be_thousands(items) else [_short_node(node) for node in items]
        braces = "[]"
    known = [part for part in parts if part is not None]
    return f"{braces[0]}{', '.join(known)}{braces[1]}" if len(known) == len(parts) else None


def _short_pair(key: str, node: Node) -> str | None:
    written, value = _one_line_text(key), _short_node(node)
    return None if value is None or len(written) > _LONGEST_KEY else f"{written}: {value}"


def _short_node(node: Node) -> str | None:
    if isinstance(node, Commented) or (isinstance(node, str) and _can_be_block(node)):
        return None
    return _short(node)


def _one_line_text(text: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("the text holds half a surrogate pair, which no file in UTF-8 can hold")
    if _is_plain(text):
        return text
    if _UNSEEN.search(text):
        return _UNSEEN.sub(_escape, json.dumps(text, ensure_ascii=False))
    if "'" in text and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def _is_plain(text: str) -> bool:
    return (
        _PLAIN.fullmatch(text) is not None
        and text.casefold() not in _WORDS_OF_OLDER_READERS
        and not _UNSEEN.search(text)
        # An open bracket would make the loader look for its end behind the next comma.
        and text.count("(") == text.count(")")
    )


def _escape(found: re.Match[str]) -> str:
    return f"\\U{ord(found[0]):08x}"


def _other_scalar(value: Value) -> str:
    """Null, a boolean or a number."""
    text = "null" if value is None else str(value).lower()
    if _is_number(value) and isinstance(parse_plain(text), str):
        raise ValueError(f"{text} is no number that the loader reads from a file")
    return text


def _can_be_block(text: str) -> bool:
    """Whether the text has several lines that can stand below each other as they are."""
    lines = text.removesuffix("\n").split("\n")
    return len(lines) > 1 and lines[0][:1] not in ("", " ") and lines[-1] != "" and all(map(_can_stand, lines))


def _can_stand(line: str) -> bool:
    return not _UNSEEN.search(line) and not line.endswith(" ")


def _parts(node: Node) -> tuple[Value, tuple[str, ...], str]:
    return (node.value, node.above, node.beside) if isinstance(node, Commented) else (node, (), "")


def _items(value: Value) -> Sequence[Node]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise TypeError(f"{type(value).__name__} is nothing that a config holds")
    return value


def _is_scalar(value: Value) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


def _is_number(node: Node) -> bool:
    return isinstance(node, int | float) and not isinstance(node, bool)


def _may_be_thousands(items: Sequence[Node]) -> bool:
    """Whether the loader would take a comma between two numbers for one within a number, as in 1,200."""
    texts = [str(node) if isinstance(node, int) else "" for node in items]
    return any(first.isdigit() and second.isdigit() and len(second) == 3 for first, second in pairwise(texts))


def _holds_mappings(value: Value) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(_parts(node)[0], Mapping) for node in value)


def _comment_lines(lines: Sequence[str], indent: int) -> list[str]:
    """Comments; no letter in them can end one."""
    return [f"{' ' * indent}# {_one_line(part)}".rstrip() for line in lines for part in line.split("\n")]


def _one_line(text: str) -> str:
    return _UNSEEN.sub(" ", text).strip() if _UNSEEN.search(text) else text
