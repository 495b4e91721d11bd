"""PyYAML's nodes as plain data, with the location of everything in it.

PyYAML's own loading is not used: it keeps no locations, lets the later of two equal keys win, and takes `no`, `on` and
`12:30` for a boolean and a number, which are good names for columns. Here only what YAML 1.2 calls so is null, true,
false or a number.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml

from aggregation_pipeline.config.messages.found_values import describe_value
from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.messages.secrets import HIDDEN, is_secret, shown_text
from aggregation_pipeline.config.yaml.locations import ConfigIssue, SourceLocation, location_of
from aggregation_pipeline.config.yaml.unquoted_commas import SplitText, join_items, join_pairs

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_TRUE: Final = re.compile(r"true|True|TRUE")
_FALSE: Final = re.compile(r"false|False|FALSE")
# Bounded, so that no number is too long for Python or too large for JSON.
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,2})?")
_STANDARD: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset(("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value"))
# Anchors can make a small file huge; no config comes near this.
_MAX_VALUES: Final = 200_000
_NO_KEY: Final = "a key is one word or text in quotes, not a list or a mapping"

Path = Sequence[str | int]


class Composer:
    """Turns nodes into plain data and collects issues, instead of stopping at the first one."""

    def __init__(self) -> None:
        self.issues: list[ConfigIssue] = []
        self._open_nodes: list[int] = []
        self._values = 0

    def compose(self, node: yaml.Node, path: Path) -> tuple[Any, SourceLocation]:
        """The value of a node and its location; `path` are the keys that lead to it, for messages.

        Raises:
            yaml.MarkedYAMLError: the file holds too many values, or an alias of itself.
        """
        location = location_of(node)
        self._values += 1
        if self._values > _MAX_VALUES:
            problem = f"the file holds more than {_MAX_VALUES:,} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        if id(node) in self._open_nodes:
            problem = "an alias (*) is inside of its own anchor (&)"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        if str(node.tag).removeprefix(_STANDARD) not in _TAGS:
            such = "" if is_secret(path) else f"such as {node.tag} "
            self._add_issue(location, path, f"tags {such}are not taken; write the plain value")
            return None, location
        self._open_nodes.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, location, path), location
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node, location, path), location
            return self._scalar(node, location, path), location
        finally:
            self._open_nodes.pop()

    def _scalar(self, node: yaml.Node, location: SourceLocation, path: Path) -> str | float | bool | None:
        text = str(node.value)
        # An escape can write half a surrogate pair, which no UTF-8 can hold.
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            message = "half a surrogate pair is not a character; write the character itself"
            self._add_issue(location, path, message)
            return None
        return parse_plain(text) if isinstance(node, yaml.ScalarNode) and not node.style else text

    def _sequence(self, node: yaml.SequenceNode, location: SourceLocation, path: Path) -> list[Any]:
        nodes, split_texts = join_items(node.value) if node.flow_style else (node.value, [])
        self._add_split_texts(split_texts, path)
        items = [self.compose(item, [*path, index]) for index, item in enumerate(nodes)]
        location.children.update((index, child) for index, (_, child) in enumerate(items))
        return [item for item, _ in items]

    def _mapping(self, node: yaml.MappingNode, location: SourceLocation, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[tuple[str, Any, SourceLocation]] = []
        pairs, split_texts = join_pairs(node.value) if node.flow_style else (node.value, [])
        self._add_split_texts(split_texts, path)
        for key_node, value_node in pairs:
            key_location = location_of(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                is_template = isinstance(key_node, yaml.MappingNode) and key_node.flow_style
                message = f"this is {{{{ }}}} of a template: {NOT_FILLED_IN}" if is_template else _NO_KEY
                self._add_issue(key_location, path, message)
                continue
            if key_node.value == "<<" and not key_node.style:
                merged.extend(self._merged_pairs(value_node, path))
                continue
            # A key is its text, so that tables named 2024, no or null need no quotes.
            key = str(key_node.value)
            value, child = self.compose(value_node, [*path, key])
            if key in result:
                message = f"the key is there twice, first in line {location.children[key].line}; keep one"
                self._add_issue(key_location, [*path, key], message)
                continue
            result[key] = value
            location.children[key] = SourceLocation(key_location.line, key_location.column, child.children)
        for key, value, child in merged:
            if key not in result:
                result[key], location.children[key] = value, child
        return result

    def _merged_pairs(self, node: yaml.Node, path: Path) -> Iterator[tuple[str, Any, SourceLocation]]:
        """The keys that `<<` brings into a mapping."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value, location = self.compose(source, path)
            if isinstance(value, dict):
                yield from ((key, inner, location.children[key]) for key, inner in value.items())
            else:
                message = f"<< takes a mapping, as in <<: *name; found {describe_value(value, secret=is_secret(path))}"
                self._add_issue(location, path, message)

    def _add_split_texts(self, split_texts: Sequence[SplitText], path: Path) -> None:
        for split in split_texts:
            key_path = [*path, split.key]
            shown = HIDDEN if is_secret(key_path) else shown_text(split.text)
            self._add_issue(location_of(split.first), key_path, split._replace(text=shown).message)

    def _add_issue(self, location: SourceLocation, path: Path, message: str) -> None:
        self.issues.append(location.issue(f"{format_key_path(path) or 'the file'}: {message}"))


def parse_plain(text: str) -> str | float | bool | None:
    """What a scalar without quotes is: null, true, false, a number, or its text."""
    for pattern, value in ((_NULL, None), (_TRUE, True), (_FALSE, False)):
        if pattern.fullmatch(text):
            return value
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
