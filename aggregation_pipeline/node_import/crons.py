"""A cron expression by the meaning that the scheduler of the Node service gives it."""

import json
import re
from collections.abc import Iterator
from typing import Final

from aggregation_pipeline.config.cron import FiveFields, to_five_fields
from aggregation_pipeline.config.cron_fields import FIELDS, Field, FieldError
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.node_import.code.sources import NodeProject

_SCHEDULERS: Final = ("node-cron", "cron", "node-schedule", "croner")
_ANY: Final = ("*", "?")
# Of the package cron; before, January was 0.
_MONTHS_FROM_ONE: Final = 3
_FIXED_CRONER: Final = 10
_LARGEST_LOCK: Final = 64 * 2**20


def scheduler_of(project: NodeProject) -> tuple[str, int | None]:
    """The package that runs the service by the clock, and its major version: as installed, as locked, as wanted.

    It is one that the code loads, else one that the project needs. A project that has none is taken for one with
    node-cron.
    """
    needed = project.package.get("dependencies")
    ranges = needed if isinstance(needed, dict) else {}
    name = next((each for names in (project.constants, ranges) for each in _SCHEDULERS if each in names), "node-cron")
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
        return _as_others_read(fields, scheduler, version) if len(fields) in (5, 6) else to_five_fields(cron)
    if len(fields) == 5:
        # With and without seconds node-cron joins the two days by "and".
        fields = ["0", *fields]
    if version is not None and version < 4 and len(fields) == len(FIELDS) + 1:
        fields = [
            fields[0],
            *(_as_version_3_reads(field, text) for field, text in zip(FIELDS, fields[1:], strict=True)),
        ]
    return to_five_fields(" ".join(fields))


def _as_others_read(fields: list[str], scheduler: str, version: int | None) -> FiveFields:
    """The expression of a scheduler that joins the two days by "or"."""
    *second, minute, hour, day, month, weekday = fields
    is_old = (version or 0) < _FIXED_CRONER
    if scheduler == "croner" and ("?" in fields or (is_old and "l" in weekday.lower())):
        # It takes ? for the time at which the service starts, and 5L for each Friday.
        raise ConfigError(
            f"the cron expression {' '.join(fields)!r} cannot be used: croner gives ? and L of a weekday a meaning of"
            " its own; write the days themselves"
        )
    if scheduler == "cron" and version is not None and version < _MONTHS_FROM_ONE:
        month = ",".join(map(_from_one, month.split(",")))
    five = f"{minute} {hour} {day} {month} {weekday}"
    if day in _ANY or weekday in _ANY:
        return to_five_fields(" ".join((*second, five)))
    try:
        # Five fields with both days are refused, with what to write.
        return to_five_fields(five)
    except ConfigError as error:
        raise ConfigError(f"{error}. {scheduler}, which the service has, runs on days that are either") from None


def _from_one(part: str) -> str:
    """A part of a month that counts from 0, counted from 1."""
    numbers, slash, step = part.partition("/")
    return re.sub(r"(?<!\w)\d+(?!\w)", lambda number: str(int(number[0]) + 1), numbers) + slash + step


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
