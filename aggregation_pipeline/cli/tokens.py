"""`tokens`: what scripts send instead of a password."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

import click

from aggregation_pipeline.access.roles import SCOPES, Role, Scope
from aggregation_pipeline.cli.access import audited, note, open_store
from aggregation_pipeline.cli.common import explained

if TYPE_CHECKING:
    from aggregation_pipeline.access.auth_file import AuthData, Token
    from aggregation_pipeline.settings.base import Settings

_LONGEST: Final = timedelta(days=366)


def _scopes(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[Scope, ...]:
    found = {part.strip() for part in value.split(",")} - {""}
    if not found or found - set(SCOPES):
        raise click.BadParameter(f"{value!r}: read, run, or both with a comma between are expected")
    return tuple(cast("set[Scope]", found))


def _lasts(_context: click.Context, _parameter: click.Parameter, value: str) -> timedelta:
    from aggregation_pipeline.config.durations import parse_duration

    try:
        lasts = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}") from None
    if lasts > _LONGEST:
        raise click.BadParameter(f"{value!r}: at most {_LONGEST.days}d. Make another one before it expires")
    return lasts


@click.group(short_help="Make, show and revoke tokens for scripts.")
def tokens() -> None:
    """Make, show and revoke tokens: what scripts send, instead of a password, as `Authorization: Bearer TOKEN`.

    A token acts for its owner and may never do more: when the owner gets a lower role, or is disabled, that holds for
    the token at once. `read` reaches what a viewer sees; `run` starts runs by POST /aggregate, and nothing else.

    \b
    aggregation-pipeline tokens create nightly --scopes run --expires 90d --owner alice
    aggregation-pipeline tokens list
    aggregation-pipeline tokens revoke nightly
    """


@tokens.command(short_help="Make a token.")
@click.argument("name")
@click.option("--scopes", callback=_scopes, metavar="S[,S]", required=True, help="read, run, or read,run.")
@click.option(
    "--expires", "lasts", callback=_lasts, default="90d", show_default=True, metavar="TIME", help="After how long."
)
@click.option("--owner", help="For whom it acts.  [default: the only account, if there is one]")
@explained
def create(name: str, scopes: tuple[Scope, ...], lasts: timedelta, owner: str | None) -> None:
    """Make a token, and print it on stdout, this once: only a hash of it is stored.

    \b
    aggregation-pipeline tokens create nightly --scopes run --expires 90d --owner alice > token
    curl -X POST -H "Authorization: Bearer $(cat token)" http://127.0.0.1:3000/aggregate
    """
    from aggregation_pipeline.access import editing
    from aggregation_pipeline.access.auth_file import read_auth_file

    details = {"token": name, "owner": owner or "", "scopes": ",".join(scopes), "days": lasts.days}
    with audited("tokens create", details) as settings:
        data = read_auth_file(settings.auth_path)
        owner = owner or _only_user(data)
        text = editing.create_token(settings.auth_path, name, owner=owner, scopes=scopes, lasts=lasts)
    click.echo(text)
    note("This token is not shown again. It is a password: keep it where scripts keep theirs.")
    user = data.users.get(owner) if data else None
    if user and "run" in scopes and user.role < Role.OPERATOR:
        note(f"{owner} is {user.role_name} and may run nothing, so this token may not either.")


@tokens.command("list", short_help="List all tokens.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@explained
def list_tokens(*, as_json: bool) -> None:
    """List all tokens with their owners, scopes, ends, and when they were last used.

    \b
    aggregation-pipeline tokens list
    """
    from aggregation_pipeline.access.auth_file import AuthData, read_auth_file
    from aggregation_pipeline.cli import access_view
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    data = read_auth_file(settings.auth_path) or AuthData()
    uses = _last_uses(settings) if data.tokens else {}
    rows = []
    for name, token in sorted(data.tokens.items()):
        used, address = uses.get(f"{token.owner}/{name}", (None, None))
        rows.append(
            {
                "name": name,
                "owner": token.owner,
                "scopes": ",".join(token.scopes),
                "state": _state(data, token),
                "created": token.created,
                "expires": token.expires,
                "last used": used,
                "from": address,
            }
        )
    access_view.show(rows, settings.zone, as_json=as_json)


@tokens.command(short_help="Let a token work no longer.")
@click.argument("name")
@explained
def revoke(name: str) -> None:
    """Remove a token. It stops working at once.

    \b
    aggregation-pipeline tokens revoke nightly
    """
    from aggregation_pipeline.access import editing

    with audited("tokens revoke", {"token": name}) as settings:
        revoked = editing.revoke_token(settings.auth_path, name)
    note(f"{revoked} is revoked.")


def _only_user(data: "AuthData | None") -> str:
    from aggregation_pipeline.errors import AccessError

    active = sorted(name for name, user in data.users.items() if not user.disabled) if data else []
    if len(active) != 1:
        raise AccessError(
            f"--owner is missing: whose token it is, one of {', '.join(active)}"
            if active
            else "There is no account that a token could act for: aggregation-pipeline users add NAME --role operator"
        )
    return active[0]


def _last_uses(settings: "Settings") -> Mapping[str, tuple[datetime, str]]:
    from aggregation_pipeline.access.token_use import TokenUse
    from aggregation_pipeline.errors import PipelineError

    try:
        with open_store(settings) as store:
            return TokenUse(store).last_used()
    except PipelineError as error:
        note(f"When tokens were last used is not known: {error}")
        return {}


def _state(data: "AuthData", token: "Token") -> str:
    owner = data.users.get(token.owner)
    if token.is_expired():
        return "expired"
    return "works" if owner and not owner.disabled else "its owner is disabled"
