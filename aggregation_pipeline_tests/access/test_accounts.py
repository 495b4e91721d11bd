"""Accounts and tokens as they are at this moment, whoever changes or breaks the file meanwhile."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.access import accounts as module
from aggregation_pipeline.access import editing, passwords
from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.auth_file import Token, read_auth_file
from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.errors import AccessError

PASSWORD = "four words that fit"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def hashed() -> str:
    return passwords.new_password_hash(PASSWORD, user="alice")


@pytest.fixture
def accounts(auth_file: Path, hashed: str, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """Alice, an operator, with the token `nightly`."""
    with monkeypatch.context() as patched:
        patched.setattr(editing, "new_password_hash", lambda *_, **__: hashed)
        editing.add_user(auth_file, "Alice", Role.OPERATOR, PASSWORD)
    return Accounts(auth_file)


def nightly(accounts: Accounts, **changes: object) -> str:
    values = {"owner": "alice", "scopes": ("run",), "lasts": DAY} | changes
    return editing.create_token(accounts.path, "nightly", **values)  # type: ignore[arg-type]


def test_a_name_and_its_password_let_in_and_nothing_else_does(accounts: Accounts):
    alice = Principal("alice", Role.OPERATOR)
    assert [accounts.verify_password(name, PASSWORD) for name in ("alice", "ALICE", "Ａlice")] == [alice] * 3
    assert [accounts.verify_password(*pair) for pair in (("alice", "four words that fits"), ("bob", PASSWORD))] == [
        None,
        None,
    ]


def test_each_attempt_verifies_one_password_whoever_it_is_for(accounts: Accounts, monkeypatch: pytest.MonkeyPatch):
    editing.add_user(accounts.path, "proxied", Role.ADMIN, None)
    editing.add_user(accounts.path, "gone", Role.ADMIN, None)
    editing.set_disabled(accounts.path, "gone", disabled=True)
    asked: list[str | None] = []

    def count(stored: str | None, _password: str) -> bool:
        asked.append(stored)
        return True

    monkeypatch.setattr(module, "is_password", count)
    names = ("alice", "proxied", "gone", "nobody", "", "x" * 10_000)
    assert [bool(accounts.verify_password(name, "")) for name in names] == [True, True, False, False, False, False]
    assert len(asked) == len(names)


def test_who_has_no_password_cannot_sign_in_with_any(accounts: Accounts):
    editing.add_user(accounts.path, "proxied", Role.ADMIN, None)
    assert accounts.verify_password("proxied", "") is None
    assert accounts.principal("proxied") == Principal("proxied", Role.ADMIN)


def test_an_account_that_is_disabled_while_its_password_is_verified_is_not_let_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
):
    def disable(*_: object) -> bool:
        editing.set_disabled(accounts.path, "alice", disabled=True)
        return True

    monkeypatch.setattr(module, "is_password", disable)
    assert accounts.verify_password("alice", PASSWORD) is None


def test_what_commands_change_counts_at_once(accounts: Accounts):
    token = nightly(accounts)
    assert accounts.verify_token(token) == Principal("alice/nightly", Role.OPERATOR, frozenset({"run"}))
    editing.set_role(accounts.path, "alice", Role.VIEWER)
    assert accounts.verify_token(token) == Principal("alice/nightly", Role.VIEWER, frozenset({"run"}))
    editing.set_disabled(accounts.path, "alice", disabled=True)
    assert (accounts.verify_token(token), accounts.principal("alice")) == (None, None)
    editing.set_disabled(accounts.path, "alice", disabled=False)
    assert accounts.verify_token(token) is not None
    editing.revoke_token(accounts.path, "Nightly")
    assert accounts.verify_token(token) is None


def test_each_change_of_an_account_ends_its_sessions(accounts: Accounts):
    def version() -> int:
        user = accounts.user("alice")
        assert user
        return user.version

    versions = [version()]
    changes: tuple[Callable[[], str], ...] = (
        lambda: editing.set_role(accounts.path, "alice", Role.ADMIN),
        lambda: editing.set_disabled(accounts.path, "alice", disabled=True),
        lambda: editing.set_disabled(accounts.path, "alice", disabled=False),
        lambda: editing.set_password(accounts.path, "alice", "another four words"),
    )
    for change in changes:
        change()
        versions.append(version())
    assert versions == sorted(set(versions))


def test_the_same_password_again_is_no_change(accounts: Accounts):
    with pytest.raises(AccessError, match="it is the one that is there already"):
        editing.set_password(accounts.path, "alice", PASSWORD)


def test_a_token_works_until_its_time_is_over(accounts: Accounts):
    token = nightly(accounts, scopes=("read", "run"), lasts=timedelta(seconds=0))
    assert accounts.verify_token(token) is None
    now = datetime(2026, 11, 20, tzinfo=UTC)
    stored = Token(hash="0" * 64, owner="alice", scopes=("run",), created=now, expires=now + DAY)
    ends = [now + DAY - timedelta(seconds=1), now + DAY]
    assert [stored.is_expired(moment) for moment in ends] == [False, True]


@pytest.mark.parametrize("text", ["", "agp_", "agp_x", "Bearer", "agp_" + "x" * 10**6, "agp_\ud800", "agp_\0"])
def test_what_is_no_token_is_none(accounts: Accounts, text: str):
    nightly(accounts)
    assert accounts.verify_token(text) is None


def test_neither_a_token_nor_a_password_is_in_the_file(accounts: Accounts):
    token = nightly(accounts)
    text = accounts.path.read_text(encoding="utf-8")
    assert token not in text
    assert token.removeprefix("agp_") not in text
    assert PASSWORD not in text
    assert PASSWORD not in repr(read_auth_file(accounts.path))


def test_a_broken_file_keeps_those_who_were_there_and_lets_nobody_else_in(
    accounts: Accounts, caplog: pytest.LogCaptureFixture
):
    token = nightly(accounts)
    assert accounts.verify_token(token)
    accounts.path.write_text('{"users": {"mallory": {"role": "admin", "created": "2026-11-20T00:00:00Z", "x": 1}}}')
    for _ in range(3):
        assert accounts.verify_token(token)
        assert accounts.principal("mallory") is None
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "users.mallory.x" in line.getMessage()
    assert "The accounts stay as they were" in line.getMessage()


def test_a_file_that_vanishes_does_not_open_the_service(accounts: Accounts, caplog: pytest.LogCaptureFixture):
    assert not accounts.is_empty
    accounts.path.unlink()
    assert not accounts.is_empty
    assert accounts.principal("alice")
    assert "is gone" in caplog.text


@pytest.mark.parametrize("content", ["{}", '{"version": 1, "users": {}, "tokens": {}}'])
def test_a_file_that_loses_all_accounts_does_not_open_the_service(
    accounts: Accounts, caplog: pytest.LogCaptureFixture, content: str
):
    assert not accounts.is_empty
    accounts.path.write_text(content)
    assert not accounts.is_empty
    assert accounts.principal("alice")
    assert "has no account any more" in caplog.text


def test_a_file_that_cannot_be_used_at_the_start_lets_nobody_in(auth_file: Path, caplog: pytest.LogCaptureFixture):
    auth_file.write_text("nonsense")
    accounts = Accounts(auth_file)
    assert not accounts.is_empty
    assert accounts.principal("alice") is None
    assert "Nobody is let in" in caplog.text
    auth_file.unlink()
    assert not accounts.is_empty, "what nobody could read may have held accounts"
    editing.add_user(auth_file, "alice", Role.ADMIN, None)
    assert accounts.principal("alice")


def test_there_is_no_account_before_the_first_one(auth_file: Path):
    accounts = Accounts(auth_file)
    empty = [accounts.is_empty]
    editing.add_user(auth_file, "alice", Role.ADMIN, None)
    empty.append(accounts.is_empty)
    editing.set_disabled(auth_file, "alice", disabled=True)
    assert [*empty, accounts.is_empty] == [True, False, False]


def test_rights_that_are_taken_or_given_are_noticed(accounts: Accounts, caplog: pytest.LogCaptureFixture):
    assert accounts.principal("alice")
    accounts.path.chmod(0o644)
    assert accounts.principal("alice")
    assert "Other accounts may read AUTH_FILE" in caplog.text
    accounts.path.chmod(0o666)
    assert accounts.principal("alice")
    assert "Other accounts may write AUTH_FILE" in caplog.text


def test_names_that_are_not_there_are_refused_with_those_that_are(accounts: Accounts):
    with pytest.raises(AccessError, match=r"There is no user 'alcie'; there are: alice. Was alice meant\?"):
        editing.set_role(accounts.path, "alcie", Role.ADMIN)
    with pytest.raises(AccessError, match="There is no user 'bob'"):
        nightly(accounts, owner="bob")
    nightly(accounts)
    with pytest.raises(AccessError, match="There is a token nightly already"):
        nightly(accounts)
    with pytest.raises(AccessError, match="There is no token 'daily'; there are: nightly"):
        editing.revoke_token(accounts.path, "daily")
