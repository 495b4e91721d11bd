"""What the commands share. Heavy imports stand inside the commands: `--help` should not wait for them."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar
from urllib.parse import unquote

import click

from aggregation_pipeline.runs.redaction import redacted

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions

    from aggregation_pipeline.local.results import RunResult
    from aggregation_pipeline.project import Project

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Print what we raise on purpose as words, not as a traceback; of anything else, type and place."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - a traceback ends with words that may hold values of cells
            # Dagster's own are about its configuration here: what fails in a run is an event, and raises nothing.
            of_dagster = type(error).__module__.partition(".")[0] == "dagster"
            raise click.ClickException(str(error if of_dagster else redacted(error))) from None

    return wrapped


def names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Read an option of several names with commas between."""
    found = None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())
    if found == ():
        raise click.BadParameter("it names no table; leave it out for all of them")
    return found


def moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read an option that is a day, or a time of the day in TIMEZONE."""
    if value is None:
        return None
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"):
        with suppress(ValueError):
            return datetime.strptime(value.strip(), form)  # noqa: DTZ007  # the zone is a setting
    raise click.BadParameter(
        f"{value!r} is no time; a day or a time is expected, such as 2026-11-20 or 2026-11-20T02:00"
    )


def readable(uri: str) -> str:
    """An address as people read it: the path of a file, not percent-encoded."""
    return unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri


def formats(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Read an option of several formats, or `all`."""
    from aggregation_pipeline.settings.base import parse_formats

    try:
        return None if value is None else parse_formats(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@contextmanager
def open_project() -> "Iterator[tuple[Project, Definitions, DagsterInstance]]":
    """Everything that a run in this process needs. Lines go to the log files; the terminal has warnings, and bars while
    tables are read.
    """
    from aggregation_pipeline.definitions import build_definitions
    from aggregation_pipeline.instance import log_handlers
    from aggregation_pipeline.local import console
    from aggregation_pipeline.local.run import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    log_handlers.configure(settings, terminal=False)
    with console.warnings_shown():
        project = load_project(settings)
        with open_instance(project) as instance, console.table_bars() as observer:
            yield project, build_definitions(project, observer), instance


def finish(result: "RunResult", *, as_json: bool) -> NoReturn:
    """Say what became of the run, for people or as one JSON object, and exit with 0 only when all of it is
    completed.
    """
    from aggregation_pipeline.local import console

    if as_json:
        # The files are published: a terminal without Chinese letters must not make it a failure.
        ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
        click.echo(json.dumps(result.to_dict(), ensure_ascii=ascii_only, indent=2))
    else:
        console.show_result(result)
        console.show_files(result.files)
    sys.exit(0 if result.status == "completed" else 1)
