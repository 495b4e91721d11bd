"""Places in the file: where a value stands, and issues with their line and column."""

from dataclasses import dataclass, field
from typing import NamedTuple

import yaml


class ConfigIssue(NamedTuple):
    """One issue with its place in the file; issues sort in the order of the file."""

    line: int
    column: int
    message: str

    @property
    def key(self) -> str:
        """The key path that the message begins with."""
        return self.message.partition(": ")[0]


@dataclass
class SourceLocation:
    """Where a value stands, 1-based; and the locations of what it holds, by key or index."""

    line: int
    column: int
    children: "dict[str | int, SourceLocation]" = field(default_factory=dict)

    def issue(self, message: str) -> ConfigIssue:
        """An issue at this place."""
        return ConfigIssue(self.line, self.column, message)


def location_of(node: yaml.Node) -> SourceLocation:
    """Where a node of PyYAML begins."""
    return SourceLocation(node.start_mark.line + 1, node.start_mark.column + 1)
