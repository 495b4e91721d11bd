"""Accounts with passwords: the server of the other tests asks for none."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.session import open_session
from aggregation_pipeline_tests.support.reading import ZONE
from aggregation_pipeline_tests.support.waiting import until

PASSWORD = 'it\'s a \\ "pass" =x@:/%41 密码'  # of a server that lives as long as the test
Admit = Callable[[str], None]


@pytest.fixture
def account(client: "psycopg2.extensions.connection", options: SourceOptions) -> Iterator[SourceOptions]:
    """An account with a password, which the server asks for as `admit` says."""
    name = f"known_{options.database}"
    with client.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN")
        yield replace(options, user=name, password=SecretStr(PASSWORD))
        cursor.execute(f"DROP ROLE {name}")


@pytest.fixture
def admit(client: "psycopg2.extensions.connection", account: SourceOptions) -> Iterator[Admit]:
    """Let the server ask for the account's password in a way, and take back what it was told at the end."""
    with client.cursor() as cursor:
        cursor.execute("SHOW hba_file")
        file = Path(cursor.fetchone()[0])  # type: ignore[index]
        before = file.read_text("utf-8")

        def ask(method: str) -> None:
            cursor.execute("SET password_encryption = %s", ("md5" if method == "md5" else "scram-sha-256",))
            cursor.execute(f"ALTER ROLE {account.user} PASSWORD %s", (PASSWORD,))
            file.write_text(f"local {account.database} {account.user} {method}\n{before}", "utf-8")
            cursor.execute("SELECT pg_reload_conf()")
            until("the server to ask for a password", lambda: not logs_in(replace(account, password=SecretStr("?"))))

        try:
            yield ask
        finally:
            file.write_text(before, "utf-8")
            cursor.execute("RESET password_encryption; SELECT pg_reload_conf()")


def logs_in(options: SourceOptions) -> bool:
    """Whether another client is let in."""
    password = options.password.get_secret_value()
    try:
        psycopg2.connect(
            host=str(options.socket), user=options.user, dbname=options.database, password=password
        ).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.mark.parametrize("method", ["scram-sha-256", "md5", "password"])
def test_the_right_password_is_taken_and_another_one_is_never_shown(
    account: SourceOptions, admit: Admit, method: str, monkeypatch: pytest.MonkeyPatch
):
    admit(method)
    assert logs_in(account)
    monkeypatch.setenv("PGREQUIREAUTH", "none")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with open_session(account, zone=ZONE) as session:
        assert session.link.row("SELECT current_user::text") == (account.user,)
    for wrong in ("wr0ng's", ""):
        with (
            pytest.raises(SourceError, match="DB_PASSWORD") as refusal,
            open_session(replace(account, password=SecretStr(wrong)), zone=ZONE),
        ):
            pass
        assert not isinstance(refusal.value, SourceLostError)
        assert "wr0ng" not in str(refusal.value)
