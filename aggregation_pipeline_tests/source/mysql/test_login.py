"""Accounts of every authentication plugin can connect, and only with their password."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.login import NATIVE, Account
from aggregation_pipeline_tests.support.servers.replay import Replay, replaying


def options_of(replay: Replay, password: str) -> SourceOptions:
    return SourceOptions("test", replay.account.user, SecretStr(password), host="127.0.0.1", port=replay.port)


@pytest.mark.parametrize(
    ("account", "tls", "way"),
    [
        (Account(password="pä ss"), True, "fast"),
        (Account(password="pä ss"), False, "fast"),
        (Account(password="pä ss", remembered=False), True, "full over TLS"),
        (Account(password="pä ss", remembered=False), False, "full by RSA"),
        (Account(password="pä ss", remembered=False, offered=NATIVE), True, "full over TLS"),
        (Account(password="pä ss", plugin=NATIVE), True, "native"),
        (Account(), True, "fast"),
    ],
)
def test_an_account_of_mysql_8_gets_in(mysql56: MySQLServer, tmp_path: Path, account: Account, tls: bool, way: str):
    with replaying(mysql56, tmp_path, account=account, tls=tls) as replay:
        options = options_of(replay, account.password)
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
            assert session.row("SELECT DATABASE()")[0] == "test"
            assert session.server == "8.4.3"
        assert replay.logins == [way]


def test_who_may_not_in_is_told_why(mysql56: MySQLServer, tmp_path: Path):
    account = Account(password="right")
    refused = pytest.raises(SourceError, match=r"Access denied for user 'reader'.*Check DB_USER and DB_PASSWORD")
    with replaying(mysql56, tmp_path, account=account) as replay, refused:
        open_and_close(options_of(replay, "wrong"))
    # MySQL 9 has dropped the plugin, and with it whoever was made before MySQL 8.
    account = Account(password="right", plugin=NATIVE, unloaded=NATIVE)
    refused = pytest.raises(
        SourceError, match=r"'mysql_native_password' is not loaded.*ALTER USER .* IDENTIFIED WITH caching_sha2_password"
    )
    with replaying(mysql56, tmp_path, version="9.5.0", account=account) as replay, refused:
        open_and_close(options_of(replay, "right"))


def open_and_close(options: SourceOptions) -> None:
    with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE):
        pytest.fail("the server let us in")
