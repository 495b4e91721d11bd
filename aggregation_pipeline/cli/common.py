"""What the commands share.

Everywhere in cli/, heavy imports stand inside the commands: `--help` should not wait for Dagster and pyarrow.
"""

import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar
from urllib.parse import unquote

import click

from aggregation_pipeline.cli.complete_names import complete_formats, complete_tables
from aggregation_pipeline.cli.late_imports import import_late
from aggregation_pipeline.runs.redaction import redacted
from aggregation_pipeline.settings.garbage_collection import garbage_collection_paused
from aggregation_pipeline.timezones.moments import read_moment

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions

    from aggregation_pipeline.project import Project
    from aggregation_pipeline.runs.results import RunResult

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Print the errors that we raise as words; of any other error only its type and place, not a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - a traceback ends with words that may hold values of cells
            # Dagster's own errors are about its configuration here: what fails in a run is an event, not an exception.
            of_dagster = type(error).__module__.partition(".")[0] == "dagster"
            raise click.ClickException(str(error if of_dagster else redacted(error))) from None

    return wrapped


def moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read an option that is a day, or a time of a day; the result has a zone only if the text has an offset."""
    if value is None:
        return None
    try:
        return read_moment(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def show_json(value: object, default: Callable[[Any], object] | None = None) -> None:
    """Print a value as JSON on stdout; letters that stdout cannot take stand in it as escapes.

    `default` turns what JSON does not know into what it knows.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2, default=default)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2, default=default)
    click.echo(text)


def read_path_prefix(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read an option that is a path below which all pages are; empty for none."""
    if value and (not value.startswith("/") or value.endswith("/")):
        raise click.BadParameter("it begins with a slash and ends without one, such as /dagster")
    return value


def readable(uri: str) -> str:
    """Return an address as people read it: for a file its path, without percent signs."""
    return unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri


def read_names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Read an option that names tables, with commas between."""
    found = None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())
    if found == ():
        raise click.BadParameter("it names no table; leave it out for all of them")
    return found


def _formats(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    from aggregation_pipeline.settings.output_format import parse_formats

    try:
        return None if value is None else parse_formats(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


tables_option = click.option(
    "--tables",
    callback=read_names,
    shell_complete=complete_tables,
    metavar="A,B",
    help="Only these tables of the configuration, separated by commas.",
)
formats_option = click.option(
    "--formats",
    callback=_formats,
    shell_complete=complete_formats,
    metavar="F,G",
    help="Only these formats: json, csv, excel, parquet, or all.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@contextmanager
def open_project(tables: Sequence[str] | None) -> "Iterator[tuple[Project, Definitions, DagsterInstance]]":
    """Open everything that a run of `tables` (None: all) in this process needs.

    Log lines go to the log files. The terminal shows warnings, and progress bars while tables are read.
    """
    with ExitStack() as stack:
        with garbage_collection_paused(then_freeze=True):
            opened = _open_project(stack, tables)
        yield opened


def _open_project(stack: ExitStack, tables: Sequence[str] | None) -> "tuple[Project, Definitions, DagsterInstance]":
    from aggregation_pipeline.export.without_pandas import leave_pandas_out

    leave_pandas_out(for_good=True)
    import_late()
    from aggregation_pipeline.assets import execution  # noqa: F401 - else the first table of the run imports it
    from aggregation_pipeline.automation.selected_assets import chosen_tables
    from aggregation_pipeline.definitions import build_definitions
    from aggregation_pipeline.instance import log_handlers
    from aggregation_pipeline.local import console
    from aggregation_pipeline.local.instance import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    log_handlers.configure(settings, terminal=False)
    stack.enter_context(console.warnings_shown())
    project = load_project(settings)
    chosen = chosen_tables(project, tables)
    instance = stack.enter_context(open_instance(project))
    return project, build_definitions(project, stack.enter_context(console.table_bars()), chosen), instance


def finish(result: "RunResult", *, as_json: bool) -> NoReturn:
    """Show the result for people or as one JSON object, and exit: 0 only if everything is completed."""
    from aggregation_pipeline.local import console

    if as_json:
        show_json(result.to_dict())
    else:
        console.show_result(result)
        console.show_files(result.files)
    sys.exit(0 if result.status == "completed" else 1)
