"""What `init` asks on a terminal: where the database is, which tables, formats, when, and in which time zone."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote, urlsplit

import click

from aggregation_pipeline.cli.init_view import as_shown

if TYPE_CHECKING:
    from pathlib import Path

    from aggregation_pipeline.config.sources import Source
    from aggregation_pipeline.drafting.words import Language
    from aggregation_pipeline.settings.source import SourceSettings
    from aggregation_pipeline.source.catalogue import Table

Answer = TypeVar("Answer")
_TABLES_SHOWN: Final = 200


def given_by_url(url: str) -> dict[str, str]:
    """Read mysql://user@host:port/database as variables.

    Raises:
        click.BadParameter: it is another kind of URL, or holds a password, which all users of the machine could see.
    """
    parts = urlsplit(url)
    if parts.password is not None:
        raise click.BadParameter(
            "leave the password out, everybody on this machine can read a command line; it is asked for, or taken from"
            " DB_PASSWORD, from the file DB_PASSWORD_FILE names, or by --password-stdin"
        )
    database = unquote(parts.path.removeprefix("/"))
    try:
        port = parts.port
    except ValueError:
        port = -1
    kind = _kind_of_scheme(parts.scheme.partition("+")[0])
    if not kind or not parts.hostname or "/" in database or port == -1:
        raise click.BadParameter("mysql://user@host:3306/database or postgresql://user@host:5432/database is expected")
    found = {
        "db_kind": kind if kind != "mysql" else "",
        "db_host": parts.hostname,
        "db_port": str(port or ""),
        "db_user": unquote(parts.username or ""),
    }
    return {name: value for name, value in {**found, "db_name": database}.items() if value}


def _kind_of_scheme(scheme: str) -> str:
    """The kind of source whose URLs begin so; empty if there is none."""
    from aggregation_pipeline.config.source_kinds import is_kind, kind_names
    from aggregation_pipeline.source.kind import source_kind

    return next((name for name in kind_names() if is_kind(name) and scheme in source_kind(name).schemes), "")


def connection(
    given: Mapping[str, str],
    load: "Callable[..., SourceSettings]",
    source: str | None,
    *,
    ask: bool,
    from_stdin: bool,
) -> "tuple[SourceSettings, bool]":
    """Complete the settings of the source; the second value is whether the password came from nowhere but here.

    `load` reads what is configured of the `source`; what it is called with goes before that.

    Raises:
        SettingsError: something is missing and may not be asked for, or is wrong.
    """
    from aggregation_pipeline.config.sources import with_variables_of
    from aggregation_pipeline.errors import SettingsError

    values = dict(given)
    if from_stdin:
        values["db_password"] = sys.stdin.readline().rstrip("\r\n")
    settings = load(**values)
    missing = [name.lower() for name in settings.missing_variables()]
    if missing and not ask:
        names = with_variables_of(source, ", ".join(map(str.upper, missing)))
        raise SettingsError(
            f"{names}: not set. Set them in the environment or .env, or say --url mysql://user@host:3306/database, or postgresql://..."
        )
    questions = {"db_host": "Host of the database", "db_user": "User, one that may only read", "db_name": "Database"}
    for name in missing:
        values[name] = click.prompt(questions[name], err=True)
    # An empty password is one, too, but rarely meant.
    if ask and not settings.db_password.get_secret_value() and not from_stdin:
        values["db_password"] = click.prompt("Password", hide_input=True, default="", show_default=False, err=True)
    return (load(**values) if len(values) > len(given) else settings), "db_password" in values


def loader_of(source: str | None, path: "Path") -> "Callable[..., SourceSettings]":
    """What reads the settings of a source, which aggregation.yaml at `path` may describe."""
    from aggregation_pipeline.settings.base import load_source_settings

    if source is None:
        return load_source_settings
    from aggregation_pipeline.config.loading import load_usable_config
    from aggregation_pipeline.errors import ConfigError
    from aggregation_pipeline.settings.named_sources import load_named_source

    written: Mapping[str, Source] = {}
    # What is wrong with the file is said where entries are added to it.
    with suppress(ConfigError):
        written = load_usable_config(path, sources=[source])[0].sources
    return partial(load_named_source, source, written)


def checked_source(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of a source in its one spelling."""
    from aggregation_pipeline.config.sources import source_name

    try:
        return None if value is None else source_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def chosen_tables(tables: "Sequence[Table]", usual: "Sequence[Table]") -> "list[Table]":
    """Let somebody choose among the tables; those that would be taken anyway are marked."""
    from aggregation_pipeline.drafting.left_out import tables_named
    from aggregation_pipeline.errors import ConfigError

    for number, table in enumerate(tables[:_TABLES_SHOWN], start=1):
        mark = "*" if table in usual else " "
        click.echo(f"{mark}{number:>4}  {as_shown(table.name)}  {_size(table)}", err=True)
    if len(tables) > _TABLES_SHOWN:
        click.echo(f"      and {len(tables) - _TABLES_SHOWN:,} more, which can be given by name", err=True)

    def read(text: str) -> "list[Table]":
        if not text.strip():
            return list(usual)
        if text.strip().lower() == "all":
            return list(tables)
        parts = [part.strip() for part in text.split(",") if part.strip()]
        numbers = {str(number): table.name for number, table in enumerate(tables, start=1)}
        try:
            return tables_named([numbers.get(part, part) for part in parts], tables)
        except ConfigError as error:
            raise click.BadParameter(str(error)) from None

    return asked("Tables, by number or name with commas between, or all; Enter for those with *", "", read)


def asked(question: str, default: str, read: Callable[[str], Answer]) -> Answer:
    """Ask until the answer can be used."""
    while True:
        text = click.prompt(question, default=default, show_default=bool(default), err=True)
        try:
            return read(str(text))
        except click.BadParameter as error:
            click.echo(f"  {error.message}", err=True)


def _size(table: "Table") -> str:
    from aggregation_pipeline.drafting.words import Words

    return "view" if table.is_view else Words("en").say(table.rows_known, rows=table.rows)


def language_of_terminal() -> "Language":
    """The language of the terminal, as POSIX finds it."""
    found = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if found.startswith("zh") else "en"


def checked_formats(value: str) -> str:
    """Return OUTPUT_FORMAT, if it can be used."""
    from aggregation_pipeline.settings.output_format import parse_formats

    try:
        parse_formats(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


def checked_cron(value: str) -> str:
    """Return CRON_SCHEDULE, if it can be used."""
    from aggregation_pipeline.config.cron import to_five_fields
    from aggregation_pipeline.errors import ConfigError

    try:
        to_five_fields(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None
    return value


def checked_zone(value: str) -> str:
    """Return TIMEZONE by its usual name, if there is such a zone."""
    from aggregation_pipeline.timezones.names import checked_zone

    try:
        return checked_zone(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


# What is asked, how the answer is read, and of which variable.
QUESTIONS: Final[tuple[tuple[str, str, Callable[[str], str]], ...]] = (
    ("output_format", "Formats: json, csv, excel, parquet, several with commas, or all", checked_formats),
    ("cron_schedule", "When, as a cron expression of 6 fields (second first) or 5", checked_cron),
    ("timezone", "Time zone of the schedule, of days and of NOW()", checked_zone),
)
