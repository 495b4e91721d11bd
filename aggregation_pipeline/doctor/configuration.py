"""The environment and aggregation.yaml: what a run would refuse, and what is easily meant otherwise."""

from collections.abc import Iterator
from typing import Final

from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.environment import env_file, names_of_set_variables, variables_of_file
from aggregation_pipeline.settings.misspelled import misspelled
from aggregation_pipeline.source.findings import Finding, ok, warning

# Of the Node.js service, and of `serve`.
_PORT: Final = "3000"


def examine_configuration(case: Case) -> Iterator[Finding]:
    """Look at variables that nobody reads, the tables, and what their schedules mean."""
    file = env_file()
    read = f"with {file}" if file.is_file() else f"without {file}, which is not there"
    yield ok("environment", f"it can be used, {read}; times are those of {case.settings.timezone}")
    project = case.project
    sources = None if project is None else {*project.sources.configured, *filter(None, project.used_sources)}
    for name, meant in misspelled(names_of_set_variables(), Settings.model_fields, sources).items():
        yield warning(name, "this variable has no meaning here", f"Was {meant} meant? Rename it, or take it out")
    yield from _variables_of_node(case.settings)
    if project is None:
        return
    tables = project.tables
    yield ok("aggregation.yaml", f"{len(tables)} tables: {', '.join(table.entry.name for table in tables)}")
    for name in project.sources.names:
        if name not in project.used_sources:
            yield ok(f"sources.{name}", "this source is configured, and no entry reads it")
    schedules: dict[str, tuple[str, ...]] = {"CRON_SCHEDULE": (case.settings.cron_schedule,)}
    schedules |= {f"tables.{table.entry.name}.schedule": table.entry.schedule or () for table in tables}
    for where, crons in schedules.items():
        for cron, note, surprising in map(to_five_fields, crons):
            if surprising and note:
                yield warning(where, note, "If something else is meant, correct it: docs/configuration.md")
            elif note:
                yield ok(where, note)
            else:
                yield ok(where, f"it runs at {cron!r}")


def _variables_of_node(settings: Settings) -> Iterator[Finding]:
    """What a `.env` of the Node.js service says that is said in another way here."""
    there = variables_of_file()
    zone = there.get("TZ", "").removeprefix(":")
    if zone and zone != settings.timezone and "timezone" not in settings.model_fields_set:
        text = f"schedules, windows and NOW() are in {settings.timezone}; the Node.js service took its zone from TZ"
        yield warning("TZ", text, "Set TIMEZONE to the zone of TZ, or to the one that is meant")
    if (there.get("PORT") or _PORT) != _PORT:
        yield warning("PORT", "this variable has no meaning here", "Name the port by an option: `serve --port`")
