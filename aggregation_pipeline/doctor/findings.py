"""What the doctor is asked to look at."""

from collections.abc import Callable
from dataclasses import dataclass

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.named_sources import NamedSources
from aggregation_pipeline.source.findings import Finding, failure, ok


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


def attempt(name: str, check: Callable[[], str]) -> Finding:
    """Return what `check` says as ok; if it raises an error of ours, its words, which hold the remedy, as a failure."""
    try:
        return ok(name, check())
    except PipelineError as error:
        return failure(name, str(error))
