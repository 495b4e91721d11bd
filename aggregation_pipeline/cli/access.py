"""What the commands of accounts, tokens and the audit log share."""

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aggregation_pipeline.access.store import AccessStore
    from aggregation_pipeline.settings.base import Settings

# Instead of an address.
_FROM: Final = "command"


@contextmanager
def audited(what: str, details: Mapping[str, object]) -> "Iterator[Settings]":
    """Yield the settings; whether the body succeeds or is refused, it is written into the audit log.

    AUTH_FILE is changed also where PostgreSQL is away: a token has to be revoked at once. The terminal then shows what
    the audit log lacks.
    """
    from aggregation_pipeline.errors import AccessError
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    try:
        yield settings
    except AccessError:
        _record(settings, what, details, is_refused=True)
        raise
    _record(settings, what, details, is_refused=False)


@contextmanager
def open_store(settings: "Settings") -> "Iterator[AccessStore]":
    """Connect to the tables of access for a command."""
    from aggregation_pipeline.access.store import AccessStore

    store = AccessStore(settings.require_dagster_url(), application_name="aggregation cli")
    try:
        yield store
    finally:
        store.close()


def note(text: str) -> None:
    """Say something that is no result."""
    click.echo(text, err=True)


def _record(settings: "Settings", what: str, details: Mapping[str, object], *, is_refused: bool) -> None:
    from aggregation_pipeline.access.audit import Audit

    if settings.dagster_pg_url is None:
        note("DAGSTER_PG_URL is not set, so the audit log does not have this.")
        return
    with open_store(settings) as store:
        Audit(store).record(f"{_me()} (command)", what, _FROM, "refused" if is_refused else "ok", details)


def _me() -> str:
    """Return the name of the account that runs this process; USER and the like could say anything."""
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return f"account {os.getuid()}"
