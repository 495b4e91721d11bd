"""Which hosts and origins are ours."""

import pytest

from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline_tests.settings.settings_of import settings_of


def test_a_service_on_loopback_is_asked_for_under_the_names_of_loopback_at_its_port():
    own = OwnHosts.of("127.0.0.1", 3000)
    for host in ("127.0.0.1:3000", "localhost:3000", "LocalHost:3000", "[::1]:3000"):
        assert own.know(host)
    strange = (
        *(
            "localhost",
            "127.0.0.1",
            "localhost:3001",
            "localhost:03000",
            "localhost.:3000",
            "127.0.0.2:3000",
            "127.1:3000",
            "[::]:3000",
        ),
        *(
            "evil.example:3000",
            "localhost:3000.evil.example",
            "localhost:3000@evil.example",
            "evil.localhost:3000",
            "",
            ":3000",
            " ",
        ),
    )
    for host in strange:
        assert not own.know(host), host


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("10.0.0.5", "10.0.0.5:3000"),
        ("fd00::5", "[fd00::5]:3000"),
        ("Reports", "reports:3000"),
        ("0.0.0.0", "localhost:3000"),
    ],
)
def test_the_address_that_it_listens_on_is_its_own_too(host, known):
    assert OwnHosts.of(host, 3000).know(known)
    assert not OwnHosts.of("0.0.0.0", 3000).know("0.0.0.0:3000")


def test_at_port_80_browsers_leave_the_port_out():
    assert OwnHosts.of("127.0.0.1", 80).know("localhost")


def test_names_are_added_with_a_port_or_for_the_usual_ones():
    own = OwnHosts.of("127.0.0.1", 3000, ["Dagster.example", "tunnel:8080", "fd00::9", "[fd00::8]:99"])
    for host in (
        "dagster.example",
        "dagster.example:443",
        "dagster.example:3000",
        "tunnel:8080",
        "[fd00::9]",
        "[fd00::8]:99",
    ):
        assert own.know(host), host
    for host in ("dagster.example:8080", "tunnel", "tunnel:3000", "a.dagster.example", "[fd00::8]"):
        assert not own.know(host), host


def test_only_the_host_that_was_asked_for_is_the_own_origin():
    own = OwnHosts.of("127.0.0.1", 3000, ["dagster.example"])
    assert own.own("http://localhost:3000", "localhost:3000", "http")
    # A proxy that ends TLS asks us by http.
    assert own.own("https://dagster.example", "dagster.example", "http")
    for origin in (
        "null",
        "",
        "https://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:3000",
        "http://localhost:3000/",
        "file://",
    ):
        assert not own.own(origin, "localhost:3000", "http"), origin


@pytest.mark.parametrize(
    "entry", ["*", "*.example", "http://x", "x:0", "x:70000", "x:y", "a b", "[::1", "x/y", "x:1:2"]
)
def test_what_is_no_host_is_refused_by_name_before_anything_starts(entry, monkeypatch):
    with pytest.raises(SettingsError, match=r"ALLOWED_HOSTS: '.*' is no host: .*NAME or NAME:PORT"):
        settings_of(monkeypatch)(ALLOWED_HOSTS=f"dagster.example, {entry}")


def test_the_setting_is_a_list_with_commas(monkeypatch):
    load = settings_of(monkeypatch)
    loaded: Settings = load(ALLOWED_HOSTS="a.example, b.example:8080,")
    assert loaded.allowed_hosts == ("a.example", "b.example:8080")
    assert load().allowed_hosts == ()


def test_loopback_is_this_machine_alone():
    hosts = ("127.0.0.1", "127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "10.0.0.1", "reports")
    assert [host for host in hosts if is_loopback(host)] == ["127.0.0.1", "127.8.8.8", "::1", "localhost"]
