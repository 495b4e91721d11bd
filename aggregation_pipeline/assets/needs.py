"""What the run of a table needs of the machine that computes it, as the table's asset says it to launchers."""

import logging
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.run_requirements import Amounts
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.settings.log_once import log_once

_log = logging.getLogger(__name__)
_RUNNERS: Final = {"queue": ("celery",), "resources": ("kubernetes", "docker")}


def with_needs_that_count(entry: TableEntry, runner: str) -> TableEntry:
    """Return the entry without what `runner` does not know, so that it divides no tick; the log says so."""
    idle = [key for key, runners in _RUNNERS.items() if getattr(entry, key) and runner not in runners]
    for key in idle:
        only = " or ".join(_RUNNERS[key])
        text = f"{key} of tables has no effect with RUNNER={runner}, only with RUNNER={only}"
        log_once(_log, logging.WARNING, text)
    return entry.model_copy(update=dict.fromkeys(idle)) if idle else entry


def warn_of_idle_rules(config: PipelineConfig, left_out: Collection[str], file: str) -> None:
    """Log the patterns of `queues:` that no table's name matches."""
    names = [*(entry.name for entry in config.tables), *left_out]
    for pattern in (pattern for rule in config.queues for pattern in rule.tables):
        if not any(fnmatchcase(name, pattern) for name in names):
            log_once(_log, logging.WARNING, f"{file}: queues: no table is called {pattern!r}")


def queues_of(entries: Iterable[TableEntry]) -> set[str]:
    """Return the queues of workers that entries which can run go to by name."""
    return {entry.queue for entry in entries if entry.queue and entry.issues is None}


def needs_of(entry: TableEntry) -> dict[str, Any]:
    """Return what an entry asks for; empty where it asks for nothing."""
    resources = entry.resources
    if resources is None:
        return {"queue": entry.queue} if entry.queue else {}
    limits = _amounts(resources.limits)
    # What is asked for is what the node keeps free. Memory beyond it could not be taken back.
    if resources.memory is not None:
        limits.setdefault("memory", resources.memory)
    found = {"queue": entry.queue, "requests": _amounts(resources), "limits": limits}
    return {name: value for name, value in found.items() if value}


def _amounts(given: Amounts) -> dict[str, str]:
    return {name: value for name in ("cpu", "memory") if (value := getattr(given, name)) is not None}
