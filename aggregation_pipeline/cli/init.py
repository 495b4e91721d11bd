"""`init`: draft aggregation.yaml and .env from a live database."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import click

from aggregation_pipeline.cli import common, init_questions
from aggregation_pipeline.cli.init_view import as_shown, show

if TYPE_CHECKING:
    from aggregation_pipeline.drafting.draft import Draft, How, Refused
    from aggregation_pipeline.drafting.left_out import Choice
    from aggregation_pipeline.drafting.words import Language
    from aggregation_pipeline.drafting.written import Existing
    from aggregation_pipeline.settings.source import SourceSettings
    from aggregation_pipeline.source.catalogue import Table

# Settings of the deployment that a draft follows, with what each of them is where nothing says otherwise.
_DEFAULTS: Final = {"output_format": "json", "cron_schedule": "0 0 2 * * *", "timezone": "Asia/Shanghai"}
_OTHERS: Final = ("aggregation_config", "mask_salt", "dagster_pg_url")


def _url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, str]:
    return {} if value is None else init_questions.given_by_url(value)


def _read_by(
    read: Callable[[str], str],
) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    return lambda _context, _parameter, value: None if value is None else read(value)


@click.command(short_help="Draft aggregation.yaml and .env from a live database.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for both files.  [default: this one, and the file that AGGREGATION_CONFIG names]",
)
@click.option(
    "--url", "address", callback=_url, metavar="URL", help="mysql:// or postgresql://user@host/database, no password."
)
@click.option(
    "--source",
    callback=init_questions.checked_source,
    metavar="NAME",
    help="One of several databases, by name: entries say it, and its variables are DB_<NAME>_HOST and so on.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@click.option("--tables", callback=common.read_names, metavar="A,B", help="These tables, whatever else there is.")
@click.option(
    "--most", type=click.IntRange(1, 1000), default=30, show_default=True, help="At most so many tables, the largest."
)
@click.option(
    "--formats",
    callback=_read_by(init_questions.checked_formats),
    metavar="F,G",
    help="json, csv, excel, parquet, or all.",
)
@click.option(
    "--schedule",
    callback=_read_by(init_questions.checked_cron),
    metavar="CRON",
    help="When all tables run: '0 0 2 * * *'.",
)
@click.option(
    "--timezone",
    callback=_read_by(init_questions.checked_zone),
    metavar="ZONE",
    help="Of schedules and days: Asia/Shanghai.",
)
@click.option("--summary-only", is_flag=True, help="Draft no detail rows.")
@click.option(
    "--sample",
    "sample_rows",
    type=click.IntRange(0, 10_000),
    default=500,
    show_default=True,
    help="Look at so many rows of a table; 0: none, names alone decide.",
)
@click.option(
    "--timeout", type=click.IntRange(1, 600), default=10, show_default=True, help="Seconds that a statement may take."
)
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), help="Language of the comments.  [default: zh where LANG is Chinese]"
)
@click.option("--yes", is_flag=True, help="Ask nothing, also on a terminal.")
@common.explained
def init(
    output: Path | None,
    address: dict[str, str],
    source: str | None,
    tables: tuple[str, ...] | None,
    formats: str | None,
    schedule: str | None,
    timezone: str | None,
    lang: "Language | None",
    *,
    password_stdin: bool,
    most: int,
    summary_only: bool,
    sample_rows: int,
    timeout: int,
    yes: bool,
) -> None:
    """Draft aggregation.yaml and .env from a live database, with comments that say why each entry is so.

    Keys of few values become group_by, figures are summed, a column of time that an index begins with cuts the table
    into days, and personal data is masked: by names and comments in English, pinyin and Chinese, and by what most
    values of a sample look like. Nothing is written to the database, no statement takes longer than --timeout, and no
    value of a row is shown or stored.

    On a terminal it asks; otherwise, and with --yes, the options decide. Called again it adds new tables, and changes
    no line that is there. Look at the result, then run `aggregation-pipeline plan`.

    \b
    aggregation-pipeline init --url mysql://reader@db.internal/shop
    aggregation-pipeline init --tables orders,users --formats csv,excel --yes
    aggregation-pipeline init --source crm --url postgresql://reader@crm.internal/crm
    pass show shop | aggregation-pipeline init --url mysql://reader@db.internal/shop --password-stdin --output shop
    """
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not yes and not password_stdin
    wishes = _Wishes(
        output=output,
        address=address,
        source=source,
        tables=tables,
        followed={"output_format": formats, "cron_schedule": schedule, "timezone": timezone},
        lang=lang or init_questions.language_of_terminal(),
        password_stdin=password_stdin,
        most=most,
        detail=not summary_only,
        sample_rows=sample_rows,
        timeout=timeout,
        asks=asks,
    )
    with _env_file_of(output) as env_path:
        code = _carry_out(wishes, env_path)
    sys.exit(code)


@dataclass(frozen=True)
class _Wishes:
    """The options of the command; `asks` is whether somebody can answer questions."""

    output: Path | None
    address: Mapping[str, str]
    source: str | None
    tables: tuple[str, ...] | None
    followed: Mapping[str, str | None]
    lang: "Language"
    password_stdin: bool
    most: int
    detail: bool
    sample_rows: int
    timeout: int
    asks: bool


def _carry_out(wishes: _Wishes, env_path: Path) -> int:
    """Draft, write and show; return the exit code."""
    from aggregation_pipeline.drafting.draft import Draft, Refused
    from aggregation_pipeline.drafting.env import variables_of_source
    from aggregation_pipeline.drafting.files import write_files
    from aggregation_pipeline.drafting.together import refuse_what_shows
    from aggregation_pipeline.drafting.written import read_existing
    from aggregation_pipeline.source.kind import source_kind

    path = _config_path(wishes.output)
    load = init_questions.loader_of(wishes.source, path)
    source, typed = init_questions.connection(
        wishes.address, load, wishes.source, ask=wishes.asks, from_stdin=wishes.password_stdin
    )
    followed, set_already = _followed(wishes.followed)
    existing = read_existing(path, source.db_name or "", wishes.source, source_kind(source.db_kind).schema)
    how = _how(source, wishes, existing)
    choice, tables = _choose(how, existing, wishes)
    for name, question, read in init_questions.QUESTIONS if wishes.asks and choice.taken else ():
        if name not in set_already:
            followed[name] = init_questions.asked(question, followed[name], read)
    how = replace(how, zone=ZoneInfo(followed["timezone"]))
    results = list(refuse_what_shows(how, path, existing, _draft(how, choice.taken)))
    drafts = [each for each in results if isinstance(each, Draft)]
    refused = [each for each in results if isinstance(each, Refused)]
    for each in refused:
        choice.left_out.setdefault(each.reason, []).append(each.table.name)
    variables = {
        **variables_of_source(source, wishes.source, existing.source_keys, with_password=typed),
        **_variables(followed, path, env_path),
    }
    written = write_files(path, env_path, existing, drafts, choice.left_out, how, variables, elsewhere=set_already)
    show(drafts, refused, written, existing, tables, choice.left_out.get("more parts", ()))
    return 1 if refused and (wishes.tables or not drafts) else 0


@contextmanager
def _env_file_of(output: Path | None) -> Iterator[Path]:
    """The .env to write; in the body it is also the one to read, if it is there."""
    from aggregation_pipeline.settings.environment import env_file

    path = env_file() if output is None else output / ".env"
    before = os.environ.get("AGGREGATION_ENV_FILE")
    if output is not None and path.exists():
        os.environ["AGGREGATION_ENV_FILE"] = str(path.absolute())
    try:
        yield path
    finally:
        os.environ.pop("AGGREGATION_ENV_FILE", None)
        if before is not None:
            os.environ["AGGREGATION_ENV_FILE"] = before


def _config_path(output: Path | None) -> Path:
    from aggregation_pipeline.settings.environment import read_environment

    named = read_environment(("aggregation_config",)).get("aggregation_config") if output is None else None
    return Path(named) if named else (output or Path()) / "aggregation.yaml"


def _followed(given: Mapping[str, str | None]) -> tuple[dict[str, str], set[str]]:
    """The settings that the draft follows, by options, environment and .env; and the names of all that are set."""
    from aggregation_pipeline.settings.environment import read_environment

    there = read_environment([*_DEFAULTS, *_OTHERS])
    options = {name: value for name, value in given.items() if value is not None}
    return {**_DEFAULTS, **there, **options}, {*there, *options, *(name.upper() for name in there)}


def _how(source: "SourceSettings", wishes: _Wishes, existing: "Existing") -> "How":
    from aggregation_pipeline.config.limits import SourceLimits
    from aggregation_pipeline.drafting.draft import How
    from aggregation_pipeline.drafting.words import Words
    from aggregation_pipeline.settings.connections import options_of_source

    seconds = min(wishes.timeout, existing.timeout_seconds or wishes.timeout)
    return How(
        options_of_source(source, name=wishes.source),
        # Another is chosen when the tables are: it matters to days only.
        ZoneInfo("UTC"),
        SourceLimits(timeout_seconds=seconds, lock_wait_seconds=min(seconds, 5), max_snapshot_seconds=10 * seconds),
        Words(wishes.lang),
        datetime.now(UTC),
        sample_rows=wishes.sample_rows,
        detail=wishes.detail,
        taken=frozenset(name.casefold() for name in existing.entries),
    )


def _choose(how: "How", existing: "Existing", wishes: _Wishes) -> "tuple[Choice, list[Table]]":
    """Choose the tables that come to what is there; all tables come second."""
    from aggregation_pipeline.drafting.draft import find_tables
    from aggregation_pipeline.drafting.families import names_of
    from aggregation_pipeline.drafting.left_out import Choice, tables_named, units_of, usual_choice
    from aggregation_pipeline.source.kind import kind_of

    tables = find_tables(how)
    shards = "shards" in kind_of(how.options).abilities
    units = units_of(tables, existing.knows, existing.entries, shards=shards)
    choice = usual_choice(units, existing.knows, wishes.most) if existing.knows_all else Choice([], {})
    if wishes.tables:
        wanted = tables_named(wishes.tables, tables)
        read = [table for table in wanted if existing.reads(names_of(table))]
        for table in read:
            click.echo(f"{table.name} has an entry already, which stays as it is.", err=True)
        choice = choice.instead([table for table in wanted if table not in read])
    elif wishes.asks and (free := [table for table in units.tables if not existing.reads(names_of(table))]):
        choice = choice.instead(init_questions.chosen_tables(free, choice.taken))
    return choice, tables


def _draft(how: "How", tables: "Sequence[Table]") -> "list[Draft | Refused]":
    from aggregation_pipeline.drafting.draft import draft_tables
    from aggregation_pipeline.local import console
    from aggregation_pipeline.source.kept_connections import kept_connections

    results: list[Draft | Refused] = []
    with console.bars() as display, kept_connections():
        bar = display.add_task("tables", total=len(tables))
        for result in draft_tables(how, tables):
            results.append(result)
            display.update(bar, advance=1, description=as_shown(result.table.name))
    return results


def _variables(followed: Mapping[str, str], path: Path, env_path: Path) -> dict[str, str]:
    """What .env has to say besides where the database is."""
    beside = path.absolute().parent == env_path.absolute().parent
    return {
        "AGGREGATION_CONFIG": path.name if beside else str(path.absolute()),
        **{name.upper(): followed[name] for name in _DEFAULTS},
    }
