"""What the doctor has found: one line for each thing that was looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.named_sources import NamedSources

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """One line. It holds no secret and no value of a cell.

    Attributes:
        name: what was looked at: `grants`.
        status: a warning lets runs go on; a failure keeps them from working.
        text: what was found.
        remedy: what to do about it; empty where nothing is to be done, or where `text` says it already.
        subject: what it belongs to: `mysql`.
    """

    name: str
    status: Status
    text: str
    remedy: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Case:
    """What is examined.

    Attributes:
        project: None where aggregation.yaml cannot be used.
        fix: whether what is safe may be put right: missing tables are created, stopped sensors started.
        send: whether a test message goes to each channel for alerts.
    """

    settings: Settings
    project: Project | None
    fix: bool = False
    send: bool = False

    @property
    def sources(self) -> NamedSources:
        """Where the tables are; those of variables alone where aggregation.yaml cannot be used."""
        return self.project.sources if self.project else NamedSources(self.settings, {})


def ok(name: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(name, "ok", text)


def warning(name: str, text: str, remedy: str) -> Finding:
    """Return a finding that should be seen to, while runs go on."""
    return Finding(name, "warning", text, remedy)


def failure(name: str, text: str, remedy: str = "") -> Finding:
    """Return a finding that keeps runs from working."""
    return Finding(name, "failure", text, remedy)


def attempt(name: str, check: Callable[[], str]) -> Finding:
    """Return what `check` says as ok; if it raises an error of ours, its words, which hold the remedy, as a failure."""
    try:
        return ok(name, check())
    except PipelineError as error:
        return failure(name, str(error))
