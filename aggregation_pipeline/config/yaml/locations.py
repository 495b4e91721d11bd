"""Locations in the file, and issues with their line and column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from aggregation_pipeline.config.messages.secrets import without_secrets


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
    """The line and column of a value, 1-based; and the locations of what it holds, by key or index."""

    line: int
    column: int
    children: "dict[str | int, SourceLocation]" = field(default_factory=dict)

    def issue(self, message: str) -> ConfigIssue:
        """An issue at this place."""
        return ConfigIssue(self.line, self.column, message)


def location_of(node: yaml.Node) -> SourceLocation:
    """Where a node of PyYAML begins."""
    return SourceLocation(node.start_mark.line + 1, node.start_mark.column + 1)


def report_issues(path: Path, issues: Sequence[ConfigIssue], *, part: str | None = None) -> str:
    """All issues of the file, or of one part of it, each with its place, and without passwords that it repeats."""
    lines = [f"{path}:{issue.line}:{issue.column}: {without_secrets(issue.message)}" for issue in sorted(set(issues))]
    subject = path.name if part is None else f"{part} in {path.name}"
    return f"{subject} cannot be used, {len(lines)} issue{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)
