"""Findings of `check` and of `batch-jobs test`, for people and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aggregation_pipeline.source.findings import Finding

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failure": "red"}


def show_finding(each: "Finding") -> None:
    """Print one line."""
    status = click.style(f"{each.status:<8}", fg=_COLOURS[each.status])
    text = " ".join(each.text.split())
    remedy = f" -> {each.remedy}" if each.remedy else ""
    click.echo(f"{status} {each.subject:<10} {each.name}: {text}{remedy}")


def finish_findings(findings: "Sequence[Finding]", *, as_json: bool) -> int:
    """Print all as one JSON object, or the counts behind the lines; return the exit code: 1 if there is a failure."""
    works = not any(each.status == "failure" for each in findings)
    if as_json:
        document = {"ok": works, "findings": [asdict(each) for each in findings]}
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        counts = {status: sum(1 for each in findings if each.status == status) for status in _COLOURS}
        click.echo(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['failure']} failures")
    return 0 if works else 1
