"""The registry: what the doctor examines, in the order in which it is shown."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

from aggregation_pipeline.doctor.alerts import examine_alerts
from aggregation_pipeline.doctor.batch_jobs import examine_batch_jobs
from aggregation_pipeline.doctor.configuration import examine_configuration
from aggregation_pipeline.doctor.dagster import examine_dagster
from aggregation_pipeline.doctor.examination import Subject
from aggregation_pipeline.doctor.files import examine_files
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.doctor.machine import examine_machine
from aggregation_pipeline.doctor.postgres import examine_postgres
from aggregation_pipeline.doctor.source import examine_source
from aggregation_pipeline.doctor.workers import examine_workers
from aggregation_pipeline.health.probes import probe_name

_BEFORE: Final[Mapping[str, Subject]] = {"settings": examine_configuration}
_AFTER: Final[Mapping[str, Subject]] = {
    "postgres": examine_postgres,
    "batch_jobs": examine_batch_jobs,
    "files": examine_files,
    "dagster": examine_dagster,
    "workers": examine_workers,
    "machine": examine_machine,
    "alerts": examine_alerts,
}


def subjects_of(case: Case) -> Mapping[str, Subject]:
    """Return what is examined. Each source has a thread and a time of its own: one that hangs hides no other."""
    used = case.project.used_sources if case.project else _sources_without_project(case)
    sources = {
        probe_name(name, case.sources.kind(name)): functools.partial(examine_source, source=name)
        for name in used or (None,)
    }
    return {**_BEFORE, **sources, **_AFTER}


def _sources_without_project(case: Case) -> Sequence[str | None]:
    named = case.sources.names
    return (None, *named) if case.settings.has_source or not named else named
