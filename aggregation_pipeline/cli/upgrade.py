"""`upgrade`: bring what is stored to what the installed version needs."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from aggregation_pipeline.cli import common

if TYPE_CHECKING:
    from aggregation_pipeline.settings.base import Settings
    from aggregation_pipeline.upgrade.parts import Part

_COLOURS: Final = {"current": "green", "pending": "yellow", "unusable": "red"}


@click.command(short_help="Bring what is stored to what the installed version needs.")
@click.option("--check", is_flag=True, help="Only say what would be done: exit code 1 if there is anything.")
@click.option("--yes", is_flag=True, help="Do not ask whether there is a backup.")
@common.json_option
@common.explained
def upgrade(*, check: bool, yes: bool, as_json: bool) -> None:
    """Bring what is stored to what the installed version needs: Dagster's tables, and our own beside them.

    Call it after a new version is installed, while the services are stopped; `check` says whether it is needed. It
    says what it will do, names the backup to make first, and asks. Nothing is dropped, each step may be repeated, and
    two upgrades never run at once. While runs or the daemon are at work it refuses.

    \b
    aggregation-pipeline upgrade --check
    aggregation-pipeline upgrade
    aggregation-pipeline upgrade --yes            for scripts: the backup is made
    """
    if as_json and not (check or yes):
        raise click.UsageError("--json asks nothing: add --check, or --yes if there is a backup")
    from aggregation_pipeline.local.console import say, warnings_shown
    from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock
    from aggregation_pipeline.postgres.sole_session import sole_session
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.upgrade.inventory import all_parts, opened_storage
    from aggregation_pipeline.upgrade.quiet import living_daemon, runs_at_work

    settings = load_settings()
    url = settings.require_dagster_url()
    with (
        warnings_shown(),
        sole_session(url, AdvisoryLock.UPGRADE, what="upgrade", application_name="aggregation upgrade"),
        opened_storage(settings) as instance,
    ):
        parts = list(all_parts(settings, instance))
        if not as_json:
            _show(parts)
        pending = [part for part in parts if part.apply is not None]
        unusable = [part for part in parts if part.state == "unusable"]
        if check or unusable or not pending:
            _finish(parts, [], as_json=as_json)
        if instance is not None and (obstacle := runs_at_work(instance) or living_daemon(instance, say)):
            raise click.ClickException(obstacle)
        if not yes:
            _ask_for_backup(settings, pending)
        for part in pending:
            say(f"{part.name} ...")
            if part.apply is not None:
                part.apply(say)
        _finish(list(all_parts(settings, instance)), [part.name for part in pending], as_json=as_json)


def _show(parts: "Sequence[Part]") -> None:
    for part in parts:
        click.echo(f"{click.style(f'{part.state:<8}', fg=_COLOURS.get(part.state))} {part.name}: {part.text}")


def _finish(parts: "Sequence[Part]", done: Sequence[str], *, as_json: bool) -> None:
    """Say how it stands, and exit: 0 only if nothing is left to do and everything can be used."""
    left = [part for part in parts if part.state in ("pending", "unusable")]
    if as_json:
        listed = [{"name": part.name, "state": part.state, "text": part.text} for part in parts]
        common.show_json({"ok": not left, "parts": listed, "done": list(done)})
    elif left:
        unusable = any(part.state == "unusable" for part in left)
        click.echo("Nothing was changed: correct what is unusable first" if unusable else f"{len(left)} to be changed")
    else:
        click.echo(f"{len(done)} changed; all is as this version needs it" if done else "Nothing has to be changed")
    sys.exit(1 if left else 0)


def _ask_for_backup(settings: "Settings", pending: "Sequence[Part]") -> None:
    from sqlalchemy import make_url

    click.echo("\nFirst make a backup, while the services are stopped:")
    urls = {settings.require_dagster_url(), settings.require_batch_jobs_url()}
    for number, url in enumerate(sorted(urls), 1):
        plain = make_url(url).set(drivername="postgresql", password=None, query={})
        click.echo(f"  pg_dump --format=custom --file=before-upgrade-{number}.dump {plain}")
    click.echo(f"Then {len(pending)} parts are changed. What is published, and batch_jobs, stay as they are.")
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here. If there is a backup, say so: --yes")
    click.confirm("Is there a backup, and shall it begin?", abort=True)
