"""YAML as plain data, with the place of everything in it.

PyYAML's own loading is not used: it keeps no places, lets the later of two equal keys win, and takes `no`, `on` and
`12:30` for a boolean and a number, which are fine names for columns. Here only what YAML 1.2 calls so is null, true,
false or a number.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN, likely_cause
from aggregation_pipeline.config.yaml.flow import Cut, rejoined_items, rejoined_pairs
from aggregation_pipeline.config.yaml.syntax_errors import explained
from aggregation_pipeline.errors import ConfigError

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
_MAX_SHOWN: Final = 60
_NO_KEY: Final = "a key is one word or text in quotes, not a list or a mapping"
_PLAIN_KEY: Final = re.compile(r"[\w-]+")


class ConfigIssue(NamedTuple):
    """One issue with its place; sorts in the order of the file."""

    line: int
    column: int
    message: str

    @property
    def key(self) -> str:
        """The path that the words begin with."""
        return self.message.partition(": ")[0]


@dataclass
class SourceLocation:
    """Where a value stands, 1-based; the places of what it holds, by key or index."""

    line: int
    column: int
    inner: "dict[str | int, SourceLocation]" = field(default_factory=dict)

    def issue(self, words: str) -> ConfigIssue:
        """A issue that stands here."""
        return ConfigIssue(self.line, self.column, words)


@dataclass
class Document:
    """A YAML file that was read: mappings, lists, text, numbers, booleans, None, and the spot of each."""

    path: Path
    data: Any
    spot: SourceLocation
    issues: list[ConfigIssue]


class Composer:
    """Turns PyYAML's nodes into plain data, noting issues instead of stopping at the first."""

    def __init__(self) -> None:
        self.issues: list[ConfigIssue] = []
        self._open: list[int] = []
        self._values = 0

    def value(self, node: yaml.Node, path: Sequence[str | int]) -> tuple[Any, SourceLocation]:
        """The value of a node and its spot; `path` are the keys that lead to it, for messages."""
        spot = _spot(node)
        self._values += 1
        if self._values > _MAX_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"the file holds more than {_MAX_VALUES:,} values", problem_mark=node.start_mark
            )
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(
                problem="an alias (*) stands inside of its own anchor (&)", problem_mark=node.start_mark
            )
        if str(node.tag).removeprefix(_STANDARD) not in _TAGS:
            self.issues.append(
                spot.issue(
                    f"{format_key_path(path) or 'the file'}: tags such as {node.tag} are not taken; write the plain value"
                )
            )
            return None, spot
        self._open.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, spot, path), spot
            if isinstance(node, yaml.SequenceNode):
                nodes, cuts = rejoined_items(node.value) if node.flow_style else (node.value, [])
                self._note(cuts, path)
                items = [self.value(item, [*path, index]) for index, item in enumerate(nodes)]
                spot.inner.update((index, inner) for index, (_, inner) in enumerate(items))
                return [item for item, _ in items], spot
            text = str(node.value)
            # Text that no UTF-8 can hold, written as an escape.
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                self.issues.append(
                    spot.issue(
                        f"{format_key_path(path) or 'the file'}: half a surrogate pair is not a character; write the character"
                        " itself"
                    )
                )
                return None, spot
            return _plain(text) if isinstance(node, yaml.ScalarNode) and node.style is None else text, spot
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, spot: SourceLocation, path: Sequence[str | int]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[tuple[str, Any, SourceLocation]] = []
        pairs, cuts = rejoined_pairs(node.value) if node.flow_style else (node.value, [])
        self._note(cuts, path)
        for key_node, value_node in pairs:
            key_spot = _spot(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                template = isinstance(key_node, yaml.MappingNode) and key_node.flow_style
                words = f"this is {{{{ }}}} of a template: {NOT_FILLED_IN}" if template else _NO_KEY
                self.issues.append(key_spot.issue(f"{format_key_path(path) or 'the file'}: {words}"))
                continue
            if key_node.value == "<<" and key_node.style is None:
                merged.extend(self._merged(value_node, path))
                continue
            # A key is its text, so that tables named 2024, no or null need no quotes.
            key = str(key_node.value)
            value, inner = self.value(value_node, [*path, key])
            if key in result:
                first = spot.inner[key]
                self.issues.append(
                    key_spot.issue(
                        f"{format_key_path([*path, key])}: the key is there twice, first in line {first.line}; keep one"
                    )
                )
                continue
            result[key] = value
            spot.inner[key] = SourceLocation(key_spot.line, key_spot.column, inner.inner)
        for key, value, inner in merged:
            if key not in result:
                result[key], spot.inner[key] = value, inner
        return result

    def _note(self, cuts: Sequence[Cut], path: Sequence[str | int]) -> None:
        self.issues += [_spot(cut.first).issue(f"{format_key_path([*path, cut.key])}: {cut.message}") for cut in cuts]

    def _merged(self, node: yaml.Node, path: Sequence[str | int]) -> Iterator[tuple[str, Any, SourceLocation]]:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value, spot = self.value(source, path)
            if not isinstance(value, dict):
                self.issues.append(
                    spot.issue(
                        f"{format_key_path(path) or 'the file'}: << takes a mapping, as in <<: *name; found {describe_value(value)}"
                    )
                )
                continue
            yield from ((key, inner, spot.inner[key]) for key, inner in value.items())


def _plain(text: str) -> str | float | bool | None:
    for pattern, value in ((_NULL, None), (_TRUE, True), (_FALSE, False)):
        if pattern.fullmatch(text):
            return value
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def format_key_path(path: Sequence[str | int]) -> str:
    """A path as people write it: tables.users.aggregations[0].function, tables.'odd.name'.limit."""
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part if _PLAIN_KEY.fullmatch(part) else repr(part)}"
        for part in path
    )
    return text.removeprefix(".")


def describe_value(value: Any) -> str:  # noqa: ANN401
    """What was found, for a message: scalars by value when short, the rest by kind."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    shown = as_written(value) if not isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    kind = {bool: "the boolean", int: "the number", float: "the number"}.get(type(value), "the text")
    if len(shown) > _MAX_SHOWN:
        shown = shown[: _MAX_SHOWN - 4] + '..."'
    return f"{kind} {shown}"


def as_written(value: float | bool) -> str:  # noqa: FBT001
    """A number or a boolean as YAML writes it."""
    return json.dumps(value)


def as_found(value: Any) -> str:  # noqa: ANN401
    """The same behind `found`, with the likely cause where the text shows one."""
    cause = likely_cause(value) if isinstance(value, str) else ""
    return f"found {describe_value(value)}{f': {cause}' if cause else ''}"


def read_document(path: Path, content: bytes | None = None) -> Document:
    """Read and place a YAML file; its `content` where somebody has read it already.

    Raises:
        ConfigError: the file cannot be read or is not YAML at all; what can be reported beside other issues is in
            `issues`.
    """
    text = _decoded(path, _read(path) if content is None else content)
    composer = Composer()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise ConfigError(
                f"{path}:1:1: the file is empty; expected tables: and under it a table, as in\n\ntables:\n  users: {{}}"
            )
        data, spot = composer.value(node, [])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise ConfigError(f"{path}:{place}: this is not YAML: {explained(error, text)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path}:{_place_of_reader_error(error, text)}: this is not YAML: {str(error).splitlines()[0]}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}:1:1: the file is nested too deeply to be a config") from None
    return Document(path, data, spot, composer.issues)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file. AGGREGATION_CONFIG names it; without it the config shipped here is used."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: the file cannot be read: {error.strerror}") from None


def _decoded(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise ConfigError(
            f"{path}:{line}:{column}: the file is not UTF-8 here; save it as UTF-8 (it may be GB18030 or Latin-1)"
        ) from None


def _place_of_reader_error(error: yaml.YAMLError, text: str) -> str:
    before = text[: getattr(error, "position", 0)]
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


def _spot(node: yaml.Node) -> SourceLocation:
    return SourceLocation(node.start_mark.line + 1, node.start_mark.column + 1)
