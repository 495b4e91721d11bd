"""`users`: the accounts of those who sign in."""

import sys
from typing import TYPE_CHECKING

import click

from aggregation_pipeline.access.roles import ROLES, RoleName
from aggregation_pipeline.cli.access import audited, note, open_store
from aggregation_pipeline.cli.common import explained

if TYPE_CHECKING:
    from aggregation_pipeline.access.auth_file import User

_role = click.Choice(list(ROLES))
_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of stdin instead of asking for it."
)


@click.group(short_help="Add, show and change accounts.")
def users() -> None:
    """Add, show and change the accounts of those who sign in.

    A viewer sees everything. An operator also launches, cancels and re-executes runs, and switches schedules. An admin
    may do whatever Dagster's UI can.

    Accounts are in AUTH_FILE, by default auth.json in DAGSTER_HOME. Running services see a change at once.

    \b
    aggregation-pipeline users add alice --role operator
    aggregation-pipeline users list
    aggregation-pipeline users passwd alice
    aggregation-pipeline users role alice viewer
    aggregation-pipeline users disable alice
    """


@users.command(short_help="Add an account.")
@click.argument("name")
@click.option("--role", type=_role, required=True, help="What the user may do.")
@_stdin
@click.option("--no-password", is_flag=True, help="For somebody whom a proxy signs in (SIGN_IN_HEADER).")
@explained
def add(name: str, role: RoleName, *, password_stdin: bool, no_password: bool) -> None:
    """Add an account. Its password is asked for twice; it has 12 characters or more.

    \b
    aggregation-pipeline users add alice --role operator
    pass show alice | aggregation-pipeline users add alice --role viewer --password-stdin
    """
    from aggregation_pipeline.access import editing

    if password_stdin and no_password:
        raise click.UsageError("--password-stdin gives a password and --no-password says that there is none.")
    with audited("users add", {"user": name, "role": role}) as settings:
        editing.require_new_name(settings.auth_path, name)
        password = None if no_password else _password(from_stdin=password_stdin)
        added = editing.add_user(settings.auth_path, name, ROLES[role], password)
    note(f"{added} can sign in, as {role}.")


@users.command("list", short_help="List all accounts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@explained
def list_users(*, as_json: bool) -> None:
    """List all accounts with their roles.

    \b
    aggregation-pipeline users list --json | jq -r '.[] | select(.role == "admin").name'
    """
    from aggregation_pipeline.access.auth_file import read_auth_file
    from aggregation_pipeline.cli import access_view
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    data = read_auth_file(settings.auth_path)
    rows = [
        {"name": name, "role": user.role_name, "state": _state(user), "created": user.created}
        for name, user in sorted(data.users.items() if data else ())
    ]
    access_view.show(rows, settings.zone, as_json=as_json)
    if not rows:
        note(
            f"There are no accounts in {settings.auth_path}. Add one: aggregation-pipeline users add NAME --role admin"
        )


@users.command(short_help="Give an account another password.")
@click.argument("name")
@_stdin
@explained
def passwd(name: str, *, password_stdin: bool) -> None:
    """Give an account another password, and end its sessions. Its tokens stay.

    \b
    aggregation-pipeline users passwd alice
    """
    from aggregation_pipeline.access import editing

    with audited("users passwd", {"user": name}) as settings:
        editing.require_user(settings.auth_path, name)
        changed = editing.set_password(settings.auth_path, name, _password(from_stdin=password_stdin))
    note(f"{changed} has another password, and is signed out everywhere.")


@users.command("role", short_help="Give an account another role.")
@click.argument("name")
@click.argument("role", type=_role)
@explained
def change_role(name: str, role: RoleName) -> None:
    """Give an account another role, and end its sessions. Its tokens may do no more than that role from now on.

    \b
    aggregation-pipeline users role alice viewer
    """
    from aggregation_pipeline.access import editing

    with audited("users role", {"user": name, "role": role}) as settings:
        changed = editing.set_role(settings.auth_path, name, ROLES[role])
    note(f"{changed} is {role} now, and has to sign in again.")


@users.command("sign-out", short_help="End somebody's sessions.")
@click.argument("name")
@explained
def sign_out(name: str) -> None:
    """End the sessions of somebody, also of people whom OpenID Connect or a proxy signs in. They may sign in again.

    \b
    aggregation-pipeline users sign-out alice
    """
    from aggregation_pipeline.access.names import normalized_name
    from aggregation_pipeline.access.sessions import Sessions

    with audited("users sign-out", {"user": name}) as settings, open_store(settings) as store:
        sessions = Sessions(store, idle=settings.session_idle_time, longest=settings.session_longest)
        ended = sessions.end_all(normalized_name(name))
    note(f"{ended} sessions of {name} are ended.")


@users.command(short_help="Let nobody in by an account any more.")
@click.argument("name")
@explained
def disable(name: str) -> None:
    """Disable an account: its sessions end, and its tokens stop working, at once.

    The account stays, so that nobody takes its name. `users enable` undoes it.

    \b
    aggregation-pipeline users disable alice
    """
    from aggregation_pipeline.access import editing

    with audited("users disable", {"user": name}) as settings:
        changed = editing.set_disabled(settings.auth_path, name, disabled=True)
    note(f"{changed} is disabled: signed out everywhere, and its tokens do not work.")


@users.command(short_help="Let somebody in again.")
@click.argument("name")
@explained
def enable(name: str) -> None:
    """Enable a disabled account. Its password and its tokens work again; its sessions stay ended.

    \b
    aggregation-pipeline users enable alice
    """
    from aggregation_pipeline.access import editing

    with audited("users enable", {"user": name}) as settings:
        changed = editing.set_disabled(settings.auth_path, name, disabled=False)
    note(f"{changed} can sign in again.")


def _password(*, from_stdin: bool) -> str:
    """Read a new password, never from the arguments: other accounts of the machine see those."""
    if from_stdin:
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    return click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)


def _state(user: "User") -> str:
    if user.disabled:
        return "disabled"
    if user.password is None:
        return "signs in at a proxy"
    return "has to change the password" if user.must_change else "active"
