"""The PromQL of docs/grafana/: of the dashboard's panels, and of the alerting rules."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from aggregation_pipeline_tests.support.paths import REPOSITORY

FOLDER: Final = REPOSITORY / "docs" / "grafana"
DASHBOARD: Final[Mapping[str, Any]] = json.loads((FOLDER / "aggregation-pipeline.json").read_text(encoding="utf-8"))
RULES: Final = FOLDER / "alerts.yml"
# What Prometheus adds to each sample that it scrapes.
_ADDED: Final = {"job", "instance"}


def panel_expressions() -> Iterator[tuple[str, str, str]]:
    """Yield title of the panel, expression, and what its lines are called."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def alert_expressions() -> Iterator[tuple[str, str, str]]:
    """Yield name, expression and message of each alert."""
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], rule["annotations"]["summary"]


def wrong_in(expression: str, shown: str, labels: Mapping[str, set[str]]) -> list[str]:
    """Return which metrics and labels of an expression are not there.

    Args:
        expression: with one metric, as all of ours.
        shown: the text in which labels are shown.
        labels: those of each metric.
    """
    (metric,) = set(re.findall(r"\b(?:aggregation|process)_\w+", expression))
    if metric not in labels:
        return [metric]
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    matched = re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression)
    used = {label.strip() for group in grouped for label in group.split(",")} | set(matched)
    # What is shown has to be left by the outermost grouping.
    left = {label.strip() for label in grouped[0].split(",")} if grouped else labels[metric] | _ADDED
    named = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", shown))
    return sorted((used - labels[metric] - _ADDED) | (named - left))
