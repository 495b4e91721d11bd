"""`users`, `tokens` and `audit`: what they change, what they print where, and what they refuse."""

import json
import os
import pwd
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.access.sessions import Sessions
from aggregation_pipeline.access.store import AccessStore
from aggregation_pipeline.access.token_use import TokenUse
from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.cheap_passwords import cheap_passwords
from aggregation_pipeline_tests.support.deployment import use_environment
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.waiting import until

PASSWORD = "four words that fit"
AWAY = "postgresql://nobody:hidden-word@127.0.0.1:1/none"


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    with cheap_passwords():
        yield


@pytest.fixture(scope="module")
def access_url(postgres: PostgresServer) -> str:
    return postgres.fresh_database()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, access_url: str) -> Path:
    """A deployment's folder; the tables of access are in PostgreSQL."""
    variables = {"AGGREGATION_ENV_FILE": os.devnull, "DAGSTER_HOME": str(tmp_path), "DAGSTER_PG_URL": access_url}
    use_environment(monkeypatch, variables)
    return tmp_path


def command(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def done(*arguments: str, typed: str = "") -> Result:
    result = command(*arguments, typed=typed)
    assert result.exit_code == 0, result.output
    return result


def add(name: str = "alice", role: str = "operator") -> None:
    done("users", "add", name, "--role", role, "--password-stdin", typed=f"{PASSWORD}\n")


def listed(*arguments: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(done(*arguments, "--json").stdout)
    return found


def test_an_account_from_its_first_day_to_its_last(home: Path):
    accounts = Accounts(home / "auth.json")
    result = done("users", "add", "Alice", "--role", "operator", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.stdout == ""
    assert "alice can sign in, as operator." in result.stderr
    assert PASSWORD not in result.output
    assert accounts.verify_password("alice", PASSWORD) == Principal("alice", Role.OPERATOR)
    done("users", "passwd", "alice", typed="another four words\nanother four words\n")
    assert accounts.verify_password("alice", PASSWORD) is None
    done("users", "role", "alice", "viewer")
    assert accounts.principal("alice") == Principal("alice", Role.VIEWER)
    done("users", "disable", "alice")
    assert accounts.principal("alice") is None
    assert [row["state"] for row in listed("users", "list")] == ["disabled"]
    done("users", "enable", "alice")
    assert accounts.verify_password("alice", "another four words")


def test_a_password_that_is_typed_in_two_ways_is_asked_for_again(home: Path):
    typed = f"{PASSWORD}\nsomething else here\n{PASSWORD}\n{PASSWORD}\n"
    assert "do not match" in done("users", "add", "alice", "--role", "admin", typed=typed).output


def test_lists_show_people_and_states_and_no_hash(home: Path):
    add()
    done("users", "add", "proxied", "--role", "viewer", "--no-password")
    assert [(row["name"], row["role"], row["state"]) for row in listed("users", "list")] == [
        ("alice", "operator", "active"),
        ("proxied", "viewer", "signs in at a proxy"),
    ]
    table = done("users", "list").stdout
    assert "alice" in table
    assert "argon2" not in table


def test_a_token_is_printed_alone_on_stdout_and_never_again(home: Path, access_url: str):
    add()
    result = done("tokens", "create", "nightly", "--scopes", "read,run", "--expires", "90d", "--owner", "Alice")
    token = result.stdout.removesuffix("\n")
    assert token.startswith("agp_")
    assert token not in result.stderr
    principal = Accounts(home / "auth.json").verify_token(token)
    assert principal == Principal("alice/nightly", Role.OPERATOR, frozenset({"read", "run"}))
    use = TokenUse(AccessStore(access_url))
    use.note(principal, "192.0.2.9")
    until("the use of the token to be written", lambda: "alice/nightly" in use.last_used(), 30)
    (row,) = listed("tokens", "list")
    assert (row["owner"], row["scopes"], row["state"], row["from"]) == ("alice", "read,run", "works", "192.0.2.9")
    ends = datetime.fromisoformat(row["expires"]) - datetime.now(UTC)
    assert timedelta(days=89) < ends < timedelta(days=91)
    for shown in (done("tokens", "list").output, json.dumps(row), done("audit", "list", "--json").output):
        assert token not in shown
        assert token.removeprefix("agp_") not in shown
    done("users", "disable", "alice")
    assert [row["state"] for row in listed("tokens", "list")] == ["its owner is disabled"]
    done("tokens", "revoke", "nightly")
    assert listed("tokens", "list") == []


def test_the_only_account_owns_a_token_and_a_viewer_is_told_what_it_cannot_do(home: Path):
    add("victor", "viewer")
    result = done("tokens", "create", "nightly", "--scopes", "run")
    assert "victor is viewer and may run nothing" in result.stderr
    add("alice")
    refused = command("tokens", "create", "another", "--scopes", "run")
    assert "--owner is missing: whose token it is, one of alice, victor" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tokens", "create", "x", "--scopes", "all"), "read, run, or both with a comma between are expected"),
        (("tokens", "create", "x", "--scopes", ","), "read, run, or both"),
        (("tokens", "create", "x", "--scopes", "run", "--expires", "soon"), "a length of time such as 90m"),
        (("tokens", "create", "x", "--scopes", "run", "--expires", "367d"), "at most 366d"),
        (("tokens", "create", "x", "--scopes", "run"), "There is no account that a token could act for"),
        (("tokens", "create", "x/y", "--scopes", "run"), "There is no account"),
        (("tokens", "revoke", "x"), "There is no token 'x'; there are: none"),
        (("users", "add", "a/b", "--role", "viewer"), "'a/b' cannot be the name of a user"),
        (("users", "add", "alice", "--role", "root"), "'root' is not one of 'viewer', 'operator', 'admin'"),
        (("users", "add", "alice", "--role", "viewer", "--password-stdin", "--no-password"), "says that there is none"),
        (("users", "passwd", "alice"), "There is no user 'alice'; there are: none"),
        (("users", "disable", "alice"), "There is no user 'alice'"),
        (("audit", "list", "--since", "yesterday"), "a day or a time is expected"),
    ],
)
def test_what_is_refused_says_what_is_expected(home: Path, arguments: tuple[str, ...], words: str):
    result = command(*arguments)
    assert result.exit_code != 0
    assert words in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not (home / "auth.json").exists()


def test_a_refused_password_is_not_repeated_and_a_taken_name_asks_for_none(home: Path):
    result = command("users", "add", "alice", "--role", "viewer", "--password-stdin", typed="s3cr3t-word\n")
    assert "at least 12 are expected" in result.stderr
    assert "s3cr3t-word" not in result.output
    add()
    assert "There is a user alice already" in command("users", "add", "ALICE", "--role", "viewer").stderr


def test_who_did_what_is_in_the_audit_log_without_any_secret(home: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")
    began = datetime.now(UTC)
    add()
    token = done("tokens", "create", "nightly", "--scopes", "run").stdout.strip()
    command("users", "disable", "nobody")
    entries = [row for row in listed("audit", "list") if datetime.fromisoformat(row["at"]) >= began]
    assert [(row["what"], row["result"], row["address"]) for row in entries] == [
        ("users disable", "refused", "command"),
        ("tokens create", "ok", "command"),
        ("users add", "ok", "command"),
    ]
    assert {row["who"] for row in entries} == {f"{pwd.getpwuid(os.getuid()).pw_name} (command)"}
    assert "users add" in done("audit", "list", "--since", f"{began:%Y-%m-%d}").stdout
    text = json.dumps(entries)
    assert [secret for secret in (PASSWORD, token, "argon2") if secret in text] == []


def test_a_token_is_revoked_while_postgresql_is_away_and_the_terminal_shows_what_the_log_lacks(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    add()
    token = done("tokens", "create", "nightly", "--scopes", "run").stdout.strip()
    monkeypatch.setenv("DAGSTER_PG_URL", AWAY)
    assert "is not known" in done("tokens", "list").stderr
    done("tokens", "revoke", "nightly")
    assert Accounts(home / "auth.json").verify_token(token) is None
    assert '"what": "tokens revoke"' in caplog.text
    monkeypatch.delenv("DAGSTER_PG_URL")
    assert "so the audit log does not have this" in done("users", "disable", "alice").stderr
    refused = command("audit", "list")
    assert "DAGSTER_PG_URL is not set" in refused.stderr
    assert "hidden-word" not in caplog.text + refused.output


def test_a_broken_file_is_named_and_stays(home: Path):
    file = home / "auth.json"
    file.write_text("nonsense")
    for arguments in (("users", "list"), ("tokens", "list"), ("users", "disable", "alice")):
        result = command(*arguments)
        assert result.exit_code == 1
        assert f"AUTH_FILE={file} cannot be used" in result.stderr
    assert file.read_text() == "nonsense"


@pytest.mark.parametrize(
    "words",
    [
        ("users",),
        ("users", "add"),
        ("users", "passwd"),
        ("tokens",),
        ("tokens", "create"),
        ("audit",),
        ("audit", "list"),
    ],
)
def test_help_shows_a_line_to_type(words: tuple[str, ...]):
    assert f"aggregation-pipeline {' '.join(words)}" in done(*words, "--help").stdout


def test_somebody_without_an_account_is_signed_out_too(home: Path, access_url: str):
    sessions = Sessions(AccessStore(access_url), idle=timedelta(hours=1), longest=timedelta(hours=1))
    secret = sessions.begin(Principal("olga@example.com", Role.VIEWER), "192.0.2.1")
    assert sessions.principal_of(secret)
    assert "1 sessions of Olga@example.com are ended" in done("users", "sign-out", "Olga@example.com").stderr
    assert sessions.principal_of(secret) is None
