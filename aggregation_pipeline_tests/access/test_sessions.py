"""Sessions on real PostgreSQL: who has one, when it ends, and what is known of its secret."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from aggregation_pipeline.access import store as store_module
from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.editing import add_user, set_disabled, set_role
from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.access.sessions import Sessions
from aggregation_pipeline.access.store import AccessStore, create_sql, sessions
from aggregation_pipeline.access.token_use import TokenUse
from aggregation_pipeline.errors import AccessBusyError, AccessError
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.waiting import until

ALICE = Principal("alice", Role.OPERATOR)
IDLE, LONGEST = timedelta(hours=12), timedelta(days=7)
AWAY = "postgresql://nobody:hidden-word@127.0.0.1:1/none"


@pytest.fixture
def here(store: AccessStore) -> Sessions:
    return Sessions(store, idle=IDLE, longest=LONGEST)


@pytest.fixture
def elsewhere(access_url: str) -> Iterator[Sessions]:
    """Another process: nothing is shared but the database."""
    other = AccessStore(access_url)
    yield Sessions(other, idle=IDLE, longest=LONGEST)
    other.close()


def turn_back(store: AccessStore, **columns: timedelta) -> None:
    """Let all sessions have been begun, or used, so much earlier."""
    with store.transaction() as connection:
        connection.execute(
            sessions.update().values({name: sessions.c[name] - earlier for name, earlier in columns.items()})
        )


def test_a_session_begun_here_is_known_elsewhere_and_ended_elsewhere_is_out_here(here: Sessions, elsewhere: Sessions):
    secret = here.begin(ALICE, "192.0.2.1", account_version=3)
    found = elsewhere.principal_of(secret)
    assert found
    assert (found.principal, found.account_version) == (ALICE, 3)
    elsewhere.end(secret)
    assert here.principal_of(secret) is None
    here.end(secret)


def test_all_sessions_of_one_user_end_and_no_other(here: Sessions, elsewhere: Sessions):
    of_alice = [here.begin(ALICE, "192.0.2.1"), elsewhere.begin(ALICE, "192.0.2.2")]
    of_bob = here.begin(Principal("bob", Role.ADMIN), "192.0.2.1")
    assert elsewhere.end_all("alice") >= 2
    assert [here.principal_of(secret) for secret in of_alice] == [None, None]
    assert here.principal_of(of_bob)


def test_a_session_ends_when_it_is_not_used_and_using_it_keeps_it(here: Sessions, store: AccessStore):
    secret = here.begin(ALICE, "192.0.2.1")
    for _ in range(3):
        turn_back(store, seen_at=IDLE - timedelta(minutes=1))
        assert here.principal_of(secret)
    turn_back(store, seen_at=IDLE)
    assert here.principal_of(secret) is None


def test_a_session_ends_however_much_it_is_used(here: Sessions, store: AccessStore):
    secret = here.begin(ALICE, "192.0.2.1")
    turn_back(store, started_at=LONGEST - timedelta(minutes=1))
    assert here.principal_of(secret)
    turn_back(store, started_at=timedelta(minutes=1))
    assert here.principal_of(secret) is None


def test_ended_sessions_are_deleted(here: Sessions, store: AccessStore):
    here.begin(ALICE, "192.0.2.1")
    turn_back(store, seen_at=IDLE)
    here.begin(ALICE, "192.0.2.1")
    with store.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(sessions)).scalar_one() == 1


def test_only_a_hash_of_the_secret_is_stored_and_each_secret_is_new(here: Sessions, store: AccessStore):
    secrets = {here.begin(ALICE, "192.0.2.1") for _ in range(3)}
    assert len(secrets) == 3
    with store.transaction() as connection:
        rows = str(connection.execute(sa.select(sessions)).all())
    assert [secret for secret in secrets if secret in rows] == []


@pytest.mark.parametrize("secret", ["", "x", "x" * 10**6, "\0", "\ud800", "' OR true --"])
def test_what_is_no_secret_is_no_session(here: Sessions, secret: str):
    assert here.principal_of(secret) is None


def test_a_session_holds_while_its_account_is_what_it_was(here: Sessions, auth_file: Path):
    add_user(auth_file, "alice", Role.OPERATOR, None)
    accounts = Accounts(auth_file)

    def begin(name: str = "alice", version: int | None = 1) -> bool:
        found = here.principal_of(here.begin(Principal(name, Role.OPERATOR), "192.0.2.1", account_version=version))
        return found is not None and found.still_holds(accounts)

    assert [begin(), begin("bob"), begin("bob", None)] == [True, False, True]
    set_role(auth_file, "alice", Role.VIEWER)
    assert [begin(version=1), begin(version=2)] == [False, True]
    set_disabled(auth_file, "alice", disabled=True)
    assert begin(version=3) is False


def test_the_last_use_of_a_token_is_noted_once_a_minute(store: AccessStore):
    token = Principal("alice/nightly", Role.OPERATOR, frozenset({"run"}))
    use = TokenUse(store)
    for _ in range(50):
        use.note(token, "192.0.2.7")
    used_at, address = until("the use of a token to be written", lambda: use.last_used().get("alice/nightly"), 30)
    assert address == "192.0.2.7"
    TokenUse(store).note(token, "192.0.2.8")
    until("the next use", lambda: use.last_used()["alice/nightly"][1] == "192.0.2.8", 30)
    assert use.last_used()["alice/nightly"][0] >= used_at


def test_only_a_few_wait_for_the_database_and_others_are_told_so(access_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store_module, "_AT_ONCE", 2)
    few = AccessStore(access_url)
    monkeypatch.setattr(store_module, "_WAIT_SECONDS", 0.05)
    with few.transaction(), few.transaction(), pytest.raises(AccessBusyError, match="Too many requests wait"):
        Sessions(few, idle=IDLE, longest=LONGEST).principal_of("x")
    assert Sessions(few, idle=IDLE, longest=LONGEST).principal_of("x") is None
    few.close()


def test_a_database_that_is_away_is_named_without_its_password():
    away = Sessions(AccessStore(AWAY), idle=IDLE, longest=LONGEST)
    for attempt in (lambda: away.begin(ALICE, ""), lambda: away.principal_of("x"), lambda: away.end_all("alice")):
        with pytest.raises(AccessBusyError, match="Check DAGSTER_PG_URL") as caught:
            attempt()
        assert "hidden-word" not in str(caught.value)
    TokenUse(AccessStore(AWAY)).note(ALICE, "192.0.2.1")


def test_a_user_who_may_make_no_schema_is_told_what_to_run(postgres: PostgresServer):
    url = postgres.fresh_database()
    engine = sa.create_engine(url)
    role = f"poor_{sa.make_url(url).database}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD 'poor'"))
    engine.dispose()
    poor = sa.make_url(url).set(username=role, password="poor").render_as_string(hide_password=False)
    with pytest.raises(AccessError, match=r"run sql/access/create_access_tables\.sql"):
        Sessions(AccessStore(poor), idle=IDLE, longest=LONGEST).principal_of("x")


def test_the_sql_that_the_package_carries_is_the_one_in_sql_and_can_be_run_again(store: AccessStore):
    assert create_sql() == (REPOSITORY / "sql" / "access" / "create_access_tables.sql").read_text(encoding="utf-8")
    with store.transaction() as connection:
        connection.exec_driver_sql(create_sql())


@pytest.mark.slow
def test_a_frozen_database_is_given_up_and_its_connection_replaced(postgres: PostgresServer, access_url: str):
    store = AccessStore(access_url)
    sessions = Sessions(store, idle=IDLE, longest=LONGEST)
    secret = sessions.begin(ALICE, "192.0.2.1")
    with frozen(postgres.server.child.pid):
        for _ in range(2):
            with pytest.raises(AccessBusyError):
                sessions.principal_of(secret)
    assert until("the database to answer again", lambda: sessions.principal_of(secret), 30)
    store.close()
