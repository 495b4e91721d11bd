"""What changes AUTH_FILE: each function is one replacement of the file, judged and made under its lock."""

import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aggregation_pipeline.access.accounts import PREFIX, token_hash
from aggregation_pipeline.access.auth_file import AuthData, Token, User, edit_auth_file, read_auth_file
from aggregation_pipeline.access.names import checked_name, normalized_name
from aggregation_pipeline.access.one_time_password import remove_one_time_password
from aggregation_pipeline.access.passwords import is_password, new_password_hash
from aggregation_pipeline.access.roles import SCOPES, Role, Scope, role_name
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.errors import AccessError


def add_user(path: Path, name: str, role: Role, password: str | None, *, must_change: bool = False) -> str:
    """Add an account; return its normalized name. `password=None` is for people whom a proxy signs in.

    Raises:
        AccessError: there is one with this name, or name or password are refused.
    """
    name = checked_name(name, of="user")
    hashed = None if password is None else new_password_hash(password, user=name)

    edit_auth_file(path, lambda data: with_new_user(data, name, role, hashed, must_change=must_change))
    return name


def require_new_name(path: Path, name: str) -> None:
    """Raise AccessError if no account can be added with this name, so that nobody types a password in vain."""
    with_new_user(read_auth_file(path) or AuthData(), checked_name(name, of="user"), Role.VIEWER, None)


def with_new_user(data: AuthData, name: str, role: Role, hashed: str | None, *, must_change: bool = False) -> AuthData:
    """Return the file's content with one more account; its name is normalized and its password hashed.

    Raises:
        AccessError: there is one with this name.
    """
    if name in data.users:
        raise AccessError(
            f"There is a user {name} already. To change it: `users passwd`, `users role`, `users disable` or"
            " `users enable`"
        )
    user = User(role=role_name(role), password=hashed, must_change=must_change, created=_now())
    return data.model_copy(update={"users": {**data.users, name: user}})


def require_user(path: Path, name: str) -> User:
    """Return the account with this name.

    Raises:
        AccessError: there is none.
    """
    users = (read_auth_file(path) or AuthData()).users
    return users[_existing(users, name, "user")]


def set_password(path: Path, name: str, password: str) -> str:
    """Give an account another password, which ends its sessions; return its normalized name.

    Raises:
        AccessError: there is no such account, or the password is refused.
    """
    user = require_user(path, name)
    hashed = new_password_hash(password, user=name)
    if is_password(user.password, password):
        raise AccessError("That password is refused: it is the one that is there already")
    changed = _change_user(path, name, password=hashed, must_change=False)
    if user.must_change:
        remove_one_time_password(path)
    return changed


def set_role(path: Path, name: str, role: Role) -> str:
    """Give an account another role, which ends its sessions and limits its tokens; return its normalized name."""
    return _change_user(path, name, role_name=role_name(role))


def set_disabled(path: Path, name: str, *, disabled: bool) -> str:
    """Disable an account, which ends its sessions and stops its tokens, or enable it; return its normalized name."""
    return _change_user(path, name, disabled=disabled)


def create_token(path: Path, name: str, *, owner: str, scopes: Collection[Scope], lasts: timedelta) -> str:
    """Add a token and return its text, which is stored nowhere.

    Raises:
        AccessError: there is one with this name, no such owner, or no scope.
    """
    name = checked_name(name, of="token")
    text = PREFIX + secrets.token_urlsafe(32)
    now = _now()

    def change(data: AuthData) -> AuthData:
        if name in data.tokens:
            raise AccessError(f"There is a token {name} already. Choose another name, or revoke it first")
        token = Token(
            hash=token_hash(text),
            owner=_existing(data.users, owner, "user"),
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created=now,
            expires=now + lasts,
        )
        return data.model_copy(update={"tokens": {**data.tokens, name: token}})

    edit_auth_file(path, change)
    return text


def revoke_token(path: Path, name: str) -> str:
    """Remove a token, which stops working at once; return its normalized name.

    Raises:
        AccessError: there is none with this name.
    """

    def change(data: AuthData) -> AuthData:
        existing = _existing(data.tokens, name, "token")
        return data.model_copy(
            update={"tokens": {each: token for each, token in data.tokens.items() if each != existing}}
        )

    edit_auth_file(path, change)
    return normalized_name(name)


def _change_user(path: Path, name: str, **values: object) -> str:
    def change(data: AuthData) -> AuthData:
        existing = _existing(data.users, name, "user")
        user = data.users[existing]
        changed = user.model_copy(update={**values, "version": user.version + 1})
        return data.model_copy(update={"users": {**data.users, existing: changed}})

    edit_auth_file(path, change)
    return normalized_name(name)


def _existing(names: Collection[str], name: str, kind: str) -> str:
    found = normalized_name(name)
    if found not in names:
        known = ", ".join(sorted(names)) or "none"
        raise AccessError(f"There is no {kind} {found!r}; there are: {known}.{did_you_mean(found, list(names))}")
    return found


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
