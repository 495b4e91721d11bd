"""Addresses that can never answer are refused with the settings; a name that nobody knows is no passing fault."""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from aggregation_pipeline.config.hosts_and_urls import host_problem, url_problem
from aggregation_pipeline.errors import SettingsError, SourceError, SourceLostError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import source_options
from aggregation_pipeline.source.mysql.errors import to_source_error
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.settings.settings_of import settings_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE

Load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    return settings_of(monkeypatch, DB_USER="u", DB_NAME="d")


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("db.internal", "db.internal"),
        (" db ", "db"),
        ("db.internal.", "db.internal"),
        ("my_db-1", "my_db-1"),
        ("数据库.local", "数据库.local"),
        ("10.0.0.5", "10.0.0.5"),
        ("127.1", "127.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("[2001:db8::7]", "2001:db8::7"),
    ],
)
def test_a_host_is_read_with_or_without_what_belongs_to_urls(load: Load, written: str, host: str):
    assert source_options(load(DB_HOST=written)).host == host


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("db.internal:3307", "the port goes into DB_PORT: write DB_HOST=db.internal and DB_PORT=3307"),
        ("10.0.0.5:3306", "write DB_HOST=10.0.0.5 and DB_PORT=3306"),
        ("[::1]:3307", "write DB_HOST=::1 and DB_PORT=3307"),
        ("mysql://db/x", "a URL goes into DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME"),
        ("mysql+pymysql://u:hush-hush@db:3306/x", "a URL goes into DB_HOST"),
        ("jdbc:mysql://db:3306/x?password=hush-hush", "a URL goes into DB_HOST"),
        ("https://db", "a URL goes into DB_HOST"),
        (
            "u:hush-hush@db",
            "the user goes into DB_USER, the password into DB_PASSWORD, and the host is what follows the @",
        ),
        ("/run/mysqld/mysqld.sock", "the path of a socket goes into DB_SOCKET"),
        ("db/", "what follows the / does not belong to the host"),
        ("db/shop", "the database goes into DB_NAME"),
        ("db internal", "a blank does not belong there"),
        ("db:", "a colon does not belong there, and it is no IPv6 address"),
        ("db:mysql", "a colon does not belong there"),
        ("1:2:3", "a colon does not belong there"),
        ("db．internal", "full-width character, such as 。 for a dot"),
        ("db。internal", "full-width character"),
        ("db：3306", "full-width character, such as 。 for a dot or ： for a colon"),
        ("ｄｂ", "full-width character"),
        ("db..internal", "a name is missing before a dot"),
        (".internal", "a name is missing before a dot"),
        (".", "it is empty"),
        ("[]", "'\\[' does not belong there"),
        ("[::1", "a colon does not belong there"),
        ("10.0.0.256", "it is no IPv4 address, and names do not end in a number"),
        ("1.2.3.4.5", "it is no IPv4 address"),
        ("db,db2", "',' does not belong there"),
        ("<host>", "'<' does not belong there"),
        (f"{'a' * 64}.internal", "names have at most 253 characters, 63 between two dots"),
        (".".join(["abcdefg"] * 40), "names have at most 253 characters"),
        ("255.255.255.255", "that address belongs to no single host"),
        ("224.0.0.1", "that address belongs to no single host"),
        ("240.0.0.1", "that address belongs to no single host"),
        ("ff02::1", "that address belongs to no single host"),
        ("-a", "names do not begin with a hyphen"),
        ("undefined", "undefined is what programs write where there is no value"),
        ("null", "null is what programs write where there is no value"),
    ],
)
def test_a_host_that_can_never_answer_is_refused_and_no_password_is_shown(load: Load, written: str, words: str):
    with pytest.raises(SettingsError, match=f"DB_HOST: .*(?:{words})") as caught:
        load(DB_HOST=written)
    assert "hush" not in str(caught.value)


def test_a_socket_goes_before_a_host_as_for_mysqls_own_clients_and_its_path_has_to_fit(load: Load):
    options = source_options(load(DB_HOST="localhost", DB_SOCKET="/run/mysqld/mysqld.sock"))
    assert options.where == "/run/mysqld/mysqld.sock"
    with pytest.raises(SettingsError, match="DB_SOCKET: the path of a socket has at most 103 bytes, this one 201"):
        load(DB_SOCKET="/" + "x" * 200)


KEY = {
    "OSS_BUCKET": "exports",
    "OSS_REGION": "oss-cn-hangzhou",
    "OSS_ACCESS_KEY_ID": "id",
    "OSS_ACCESS_KEY_SECRET": "hush-hush",
}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {**KEY, "OSS_ENDPOINT": "oss-cn-hangzhou．aliyuncs.com"},
            "OSS_ENDPOINT .* is no endpoint.* full-width character",
        ),
        ({**KEY, "OSS_ENDPOINT": "oss-cn-hangzhou..aliyuncs.com"}, "OSS_ENDPOINT .* a name is missing before a dot"),
        ({**KEY, "OSS_ENDPOINT": "https：//oss-cn-hangzhou.aliyuncs.com"}, "OSS_ENDPOINT .* is no endpoint"),
        (
            {**KEY, "OSS_ENDPOINT": "oss-cn-hangzhou.aliyuncs.com:port"},
            "OSS_ENDPOINT .* its host or port cannot be read",
        ),
        ({**KEY, "OSS_ENDPOINT": "oss-cn-hangzhou aliyuncs.com"}, "OSS_ENDPOINT .* a blank does not belong there"),
        (
            {**KEY, "OSS_LINK_ENDPOINT": "https://files..example.com"},
            "OSS_LINK_ENDPOINT .* a name is missing before a dot",
        ),
        (
            {"SUPABASE_URL": "https://abc．supabase.co", "SUPABASE_KEY": "hush-hush"},
            "SUPABASE_URL: .*full-width character",
        ),
        (
            {"SUPABASE_URL": "https://u:hush-hush@abc.supabase.co", "SUPABASE_KEY": "k"},
            "SUPABASE_URL: the URL of the Supabase project",
        ),
        (
            {"SUPABASE_URL": "https://abc.supabase.co:999999", "SUPABASE_KEY": "k"},
            "SUPABASE_URL: .*its host or port cannot be read",
        ),
        (
            {"DAGSTER_PG_URL": "postgresql://u:hush-hush@db..internal/d"},
            "DAGSTER_PG_URL leads to no host: a name is missing before a dot",
        ),
        (
            {"DAGSTER_PG_URL": "postgresql://u:hush-hush@db．internal/d"},
            "DAGSTER_PG_URL leads to no host: .*full-width",
        ),
        (
            {"BATCH_JOBS_URL": "postgresql://u:hush-hush@10.0.0.256:5432/d"},
            "BATCH_JOBS_URL leads to no host: it is no IPv4 address",
        ),
        (
            {"SUPABASE_URL": "https://supabase.com/dashboard/project/abc", "SUPABASE_KEY": "k"},
            "SUPABASE_URL: .*Supabase's own pages.*expected: https://abc.supabase.co",
        ),
        (
            {"SUPABASE_URL": "https://app.supabase.com", "SUPABASE_KEY": "k"},
            "expected: https://<reference>.supabase.co",
        ),
        (
            {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_KEY": "hush-hush-密钥"},
            "SUPABASE_KEY: a key is expected",
        ),
        ({"BATCH_JOBS_URL": "postgresql://u:hush-hush"}, "BATCH_JOBS_URL cannot be read as a URL: it has no @"),
        ({**KEY, "OSS_ENDPOINT": "255.255.255.255"}, "OSS_ENDPOINT .* belongs to no single host"),
        (
            {"ALERT_URLS": "json://255.255.255.255/hush-hush"},
            "ALERT_URLS: entry 1 can never be reached; that address belongs",
        ),
        ({"DAGSTER_UI_URL": "https://dagster..example.com"}, "DAGSTER_UI_URL: .*; a name is missing before a dot"),
        (
            {"DAGSTER_UI_URL": "https://u:hush-hush@dagster.example.com"},
            "DAGSTER_UI_URL: .* which every message would show",
        ),
        (
            {"DAGSTER_UI_URL": "https://hush-hush@dagster.example.com"},
            "DAGSTER_UI_URL: .* which every message would show",
        ),
        ({"DAGSTER_UI_URL": "https://dagster.example.com:x"}, "DAGSTER_UI_URL: .*; its host or port cannot be read"),
        (
            {"ALERT_URLS": "json://hook．example.com/hush-hush"},
            "ALERT_URLS: entry 1 can never be reached; .*full-width",
        ),
        (
            {"ALERT_URLS": "mailto://a:b@c.com jsons://hook..example.com/hush-hush"},
            "ALERT_URLS: entry 2 can never be reached; a name is missing",
        ),
        ({"ALERT_URLS": "dingtalk://hush-hush＠token"}, "ALERT_URLS: entry 1 can never be reached; .*full-width"),
    ],
)
def test_other_addresses_are_looked_at_too(load: Load, variables: dict[str, str], words: str):
    with pytest.raises(SettingsError, match=words) as caught:
        load(DB_HOST="db", **variables)
    assert "hush" not in str(caught.value)


def test_right_addresses_pass():
    for host in (
        "localhost",
        "a.b-c.example",
        "xn--fiq228c.cn",
        "192.168.0.1",
        "0.0.0.0",
        "2001:db8::1",
        "::1",
        "fd00::1",
        "db.internal.",
        "a-.b",
    ):
        assert host_problem(host) == "", host
    for url in ("https://a.example", "http://localhost:3000/", "http://[::1]:3000", "https://a.example/path?x=1"):
        assert url_problem(url) == "", url


def connect(**where: Any) -> None:
    with open_session(SourceOptions(database="d", user="u", **where), logical_time=LOGICAL_TIME, zone=ZONE):
        pass


def test_a_name_that_nobody_knows_is_not_tried_again_and_leads_to_db_host():
    # No name below .invalid is ever known (RFC 2606). Without a network a resolver may say that it cannot tell: then it
    # may pass.
    with pytest.raises(socket.gaierror) as asked:
        socket.getaddrinfo("nowhere.invalid", 3306)
    passes = asked.value.errno == socket.EAI_AGAIN
    words = (
        "no server answers there"
        if passes
        else r"MySQL at nowhere.invalid:3306: no host of that name is known .*\. Check DB_HOST"
    )
    with pytest.raises(SourceError, match=words) as caught:
        connect(host="nowhere.invalid")
    assert isinstance(caught.value, SourceLostError) is passes


def _no_tls() -> OSError:
    """What a client of TLS says to a server that speaks something else."""
    ours, theirs = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with ours, theirs:
        theirs.sendall(b"nothing of the kind, and long enough for a record of TLS")
        try:
            context.wrap_socket(ours)
        except ssl.SSLError as error:
            return error
    raise AssertionError("that was no TLS")


@pytest.mark.parametrize(
    ("cause", "passes"),
    [
        (socket.gaierror(socket.EAI_NONAME, "said by the resolver"), False),
        (socket.gaierror(socket.EAI_NODATA, "said by the resolver"), False),
        (socket.gaierror(socket.EAI_AGAIN, "said by the resolver"), True),
        (ConnectionRefusedError(111, "refused"), True),
        (TimeoutError("timed out"), True),
        (_no_tls(), False),
        (ssl.SSLEOFError(8, "the server went away"), True),
    ],
)
def test_what_a_connection_failed_by_decides_whether_it_may_pass(cause: OSError, passes: bool):
    wrapped = pymysql.err.OperationalError(2003, "Can't connect to MySQL server on 'db'")
    wrapped.original_exception = cause  # type: ignore[attr-defined]
    assert isinstance(to_source_error(wrapped), SourceLostError) is passes
    # In the middle of a stream it is the network, whatever it says.
    assert isinstance(to_source_error(cause), SourceLostError)


def test_where_nothing_listens_it_may_pass():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with pytest.raises(SourceLostError, match="no server answers there"):
            connect(host="127.0.0.1", port=probe.getsockname()[1])
        assert time.monotonic() - started < 5
