"""`diff`: compare what is published here with what the Node service wrote."""

import functools
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import click

from aggregation_pipeline.cli import common
from aggregation_pipeline.cli.complete_names import complete_table, complete_window_or_latest

if TYPE_CHECKING:
    from aggregation_pipeline.comparison.compare import Sides
    from aggregation_pipeline.comparison.results import Comparison
    from aggregation_pipeline.project import Project
    from aggregation_pipeline.settings.base import Settings

P = ParamSpec("P")
R = TypeVar("R")
_SCHEME: Final = "oss://"


class _CannotCompareError(click.ClickException):
    exit_code = 2


def _cannot_compare(command: Callable[P, R]) -> Callable[P, R]:
    """Let errors end the command with 2: 1 says that something differs."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except click.UsageError:
            raise
        except click.ClickException as error:
            raise _CannotCompareError(error.message) from None

    return wrapped


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> timedelta:
    from aggregation_pipeline.config.durations import parse_duration

    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _zone(_context: click.Context, _parameter: click.Parameter, value: str | None) -> ZoneInfo | None:
    from pydantic import TypeAdapter, ValidationError

    from aggregation_pipeline.timezones.names import ZoneName

    try:
        return None if value is None else ZoneInfo(TypeAdapter(ZoneName).validate_python(value))
    except ValidationError:
        raise click.BadParameter("a time zone such as Asia/Shanghai or UTC is expected") from None


@click.command(short_help="Compare published files with those of the Node service.")
@click.option(
    "--table",
    "tables",
    metavar="T",
    multiple=True,
    shell_complete=complete_table,
    help="Only this table; may be given several times.",
)
@click.option(
    "--window",
    metavar="W",
    default="latest",
    show_default=True,
    shell_complete=complete_window_or_latest,
    help="The window, such as 2026-11-20; `latest` has to be of the last tick or later.",
)
@click.option("--old", metavar="PATH|oss://BUCKET/PREFIX", help="Where the Node service's files lie.")
@click.option("--file", "file", metavar="FILE", help="Compare with this file of it instead of the nearest in time.")
@click.option(
    "--at", "moment", metavar="TIME", callback=common.moment, help="When the Node service ran, if not at the tick."
)
@click.option("--within", metavar="6h", default="12h", show_default=True, callback=_duration, help="How far from then.")
@click.option("--format", "old_format", type=click.Choice(["json", "csv", "excel"]), help="Only files of this format.")
@click.option(
    "--node-timezone",
    "zone",
    metavar="Z",
    callback=_zone,
    help="The Node process's zone.  [default: the variable TZ, else TIMEZONE]",
)
@click.option(
    "--key", metavar="A", multiple=True, help="A column that rows are brought together by.  [default: the key]"
)
@click.option("--columns", "only", metavar="A", multiple=True, help="Only this column; several times for several.")
@click.option("--ignore", "ignored", metavar="A", multiple=True, help="Not this column; several times for several.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 0.1),
    default=1e-12,
    show_default=True,
    help="By which part of the larger one two DOUBLEs may differ. DECIMALs are exact.",
)
@click.option(
    "--show", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Differences to list a table."
)
@click.option("--ask", type=click.IntRange(0, 200), default=10, show_default=True, help="Keys to ask the database for.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to this file too.")
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the page.")
@common.json_option
@_cannot_compare
@common.explained
def diff(
    *,
    tables: tuple[str, ...],
    window: str,
    old: str | None,
    file: str | None,
    moment: datetime | None,
    within: timedelta,
    old_format: Literal["json", "csv", "excel"] | None,
    zone: ZoneInfo | None,
    key: tuple[str, ...],
    only: tuple[str, ...],
    ignored: tuple[str, ...],
    tolerance: float,
    show: int,
    ask: int,
    page: Path | None,
    language: Literal["en", "zh"],
    as_json: bool,
) -> None:
    """Compare a published window with the files that the Node service wrote for it: JSON, CSV or Excel.

    Values are compared by the types of their columns: a DATE that Node wrote as the UTC day before is equal, and so are
    a DECIMAL that is text there and an integer beyond 2^53 that lost digits there. For what differs, the source
    database is asked which side it agrees with, in a read-only session. Nothing is changed anywhere.

    Exit code 0 if everything is equal, 1 if something differs, 2 if a table cannot be compared.

    \b
    aggregation-pipeline diff --old oss://old-bucket/data-aggregation
    aggregation-pipeline diff --old ./temp --table orders --window 2026-11-20 --html diff.html
    aggregation-pipeline diff --old ./temp --json | jq '.tables[] | select(.status != "equal")'
    """
    from aggregation_pipeline.cli.diff_windows import requested_windows
    from aggregation_pipeline.comparison.compare import compare_tables
    from aggregation_pipeline.comparison.tables import Options
    from aggregation_pipeline.local import console
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    with console.warnings_shown():
        project = load_project(settings)
    options = Options(
        zone=zone or _zone_of_node(settings),
        within=within,
        tolerance=tolerance,
        only=only,
        ignored=ignored,
        key=key,
        examples=show,
        salt=settings.mask_salt.get_secret_value().encode() if settings.mask_salt else b"",
        old_format=old_format,
    )
    sides = _sides(project, old, file, ask)
    requests = requested_windows(project, sides, tables, window, moment)
    with console.table_bars() as bars:
        comparison = compare_tables(requests, sides, options, bars.progress)
    _report(comparison, page, language, as_json=as_json)
    sys.exit(comparison.exit_code)


def _zone_of_node(settings: "Settings") -> ZoneInfo:
    """The variable TZ, which is what Node goes by: of the environment or of `.env`; TIMEZONE where it is not set."""
    from aggregation_pipeline.settings.environment import read_environment
    from aggregation_pipeline.timezones.names import checked_zone

    name = read_environment(["tz"]).get("tz", "").removeprefix(":")
    if not name or name == settings.timezone:
        return settings.zone
    try:
        zone = ZoneInfo(checked_zone(name))
    except ValueError as error:
        raise click.ClickException(f"TZ: {error}. Or give the Node process's zone with --node-timezone.") from None
    click.echo(
        f"The Node process's zone is taken from TZ: {name}. TIMEZONE is {settings.timezone}; --node-timezone goes"
        " before both.",
        err=True,
    )
    return zone


def _sides(project: "Project", old: str | None, file: str | None, ask: int) -> "Sides":
    from aggregation_pipeline.comparison.compare import Sides
    from aggregation_pipeline.comparison.old.places import old_place
    from aggregation_pipeline.settings.connections import open_store

    settings = project.settings
    if old is None and file is None:
        raise click.UsageError("--old says where the Node service's files lie: a folder, or oss://bucket/prefix.")
    place, key = old, file
    if file is not None and file.startswith(_SCHEME):
        bucket, _, key = file.removeprefix(_SCHEME).partition("/")
        place = f"{_SCHEME}{bucket}"
    return Sides(
        store=open_store(settings),
        prefix=settings.oss_prefix,
        old=old_place(place or str(file), settings.oss_options),
        file=key,
        source=project.sources.options if ask else None,
        most_asked=ask,
        temp_dir=settings.temp_dir,
    )


def _write_page(path: Path, comparison: "Comparison", language: Literal["en", "zh"]) -> None:
    from aggregation_pipeline.comparison.report.page import html_page

    try:
        path.write_text(html_page(comparison, language), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"--html {path}: the page cannot be written there ({error.strerror}).") from None


def _report(comparison: "Comparison", page: Path | None, language: Literal["en", "zh"], *, as_json: bool) -> None:
    from aggregation_pipeline.comparison.report.text_report import text_report

    if page is not None:
        _write_page(page, comparison, language)
    if as_json:
        common.show_json(comparison.to_dict())
        return
    for line in text_report(comparison):
        click.echo(line)
