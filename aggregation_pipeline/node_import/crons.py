"""A cron expression by the meaning that the scheduler of the Node service gives it."""

import json
import re
from collections.abc import Iterator
from typing import Final

from aggregation_pipeline.config.cron import FiveFields, to_five_fields
from aggregation_pipeline.config.cron_fields import FIELDS, Field, FieldError
from aggregation_pipeline.node_import.code.sources import NodeProject

_SCHEDULERS: Final = ("node-cron", "cron", "node-schedule", "croner")
_LARGEST_LOCK: Final = 64 * 2**20


def scheduler_of(project: NodeProject) -> tuple[str, int | None]:
    """The package that runs the service by the clock, and its major version: as installed, as locked, as wanted.

    A project that names none is taken for one with node-cron.
    """
    needed = project.package.get("dependencies")
    ranges = needed if isinstance(needed, dict) else {}
    name = next((each for each in _SCHEDULERS if each in ranges), "node-cron")
    for version in (*_locked(project, name), ranges.get(name)):
        if isinstance(version, str) and (found := re.search(r"\d+", version)):
            return name, int(found[0])
    return name, None


def cron_of_node(cron: str, scheduler: str, version: int | None) -> FiveFields:
    """The expression for Dagster.

    Raises:
        ConfigError: Dagster cannot run so; the message says what to write.
    """
    fields = cron.split()
    if scheduler != "node-cron":
        return to_five_fields(cron)
    if len(fields) == 5:
        # With and without seconds node-cron joins the two days by "and".
        fields = ["0", *fields]
    if version is not None and version < 4 and len(fields) == len(FIELDS) + 1:
        fields = [
            fields[0],
            *(_as_version_3_reads(field, text) for field, text in zip(FIELDS, fields[1:], strict=True)),
        ]
    return to_five_fields(" ".join(fields))


def _as_version_3_reads(field: Field, text: str) -> str:
    try:
        read = field.read(text)
    except FieldError:
        # to_five_fields says what is wrong with it.
        return text
    if read.in_version_3 is None or read.in_version_3 == read.values:
        return text
    return ",".join(map(str, sorted(read.in_version_3)))


def _locked(project: NodeProject, name: str) -> Iterator[object]:
    """The version that is installed, and the one in the lock file."""
    for path, keys in (
        (project.root / "node_modules" / name / "package.json", ("version",)),
        (project.root / "package-lock.json", ("packages", f"node_modules/{name}", "version")),
        (project.root / "package-lock.json", ("dependencies", name, "version")),
    ):
        try:
            inside = path.resolve().is_relative_to(project.root) and path.stat().st_size <= _LARGEST_LOCK
            value: object = json.loads(path.read_text("utf-8-sig")) if inside else None
        except (OSError, ValueError, RecursionError):
            continue
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        yield value
