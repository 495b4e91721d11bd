"""Findings of `check` and of `batch-jobs test`, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from aggregation_pipeline.cli.common import show_json
from aggregation_pipeline.runs.redaction import redacted

if TYPE_CHECKING:
    from aggregation_pipeline.source.findings import Finding

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failure": "red"}


class ErrorsNoted:
    """Adds a failure to the findings for an error of the body, which ends there: what reads them gets them whole."""

    def __init__(self, findings: "list[Finding]", subject: str) -> None:
        self._findings, self._subject = findings, subject

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        from aggregation_pipeline.source.findings import Finding

        if not isinstance(error, Exception):
            return False
        self._findings.append(Finding("stopped", "failure", str(redacted(error)), subject=self._subject))
        return True


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
        show_json(document)
    else:
        counts = {status: sum(1 for each in findings if each.status == status) for status in _COLOURS}
        click.echo(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['failure']} failures")
    return 0 if works else 1
