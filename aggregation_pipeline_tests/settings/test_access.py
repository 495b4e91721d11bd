"""The variables of access: what they mean, and which of them cannot be right."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings

OIDC = {"OIDC_ISSUER": "https://login.example.com/", "OIDC_CLIENT_ID": "us", "OIDC_CLIENT_SECRET": "hidden-word"}
Read = Callable[..., Settings]


def test_accounts_lie_in_dagster_home_unless_a_file_is_named(read: Read, tmp_path: Path):
    assert read(DAGSTER_HOME=str(tmp_path)).auth_path == tmp_path / "auth.json"
    assert read(AUTH_FILE="/etc/aggregation/auth.json").auth_path == Path("/etc/aggregation/auth.json")
    assert read().auth_path == Path("auth.json")


def test_sessions_proxies_and_groups_are_read(read: Read):
    settings = read(
        **OIDC,
        SESSION_IDLE="30m",
        SESSION_MAX="2d",
        TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8,::1",
        SIGN_IN_HEADER="X-Forwarded-User",
        VIEWER_GROUPS="staff",
        OPERATOR_GROUPS="data, 数据",
        ADMIN_GROUPS="platform",
    )
    assert (settings.session_idle_time, settings.session_longest) == (timedelta(minutes=30), timedelta(days=2))
    assert settings.trusted_proxies == (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("::1/128"))
    roles = [
        settings.role_of_groups(groups) for groups in (["staff", "数据"], ["platform", "staff"], ["staff"], [], ["x"])
    ]
    assert roles == [Role.OPERATOR, Role.ADMIN, Role.VIEWER, None, None]
    assert settings.oidc_issuer == "https://login.example.com/", "providers compare it letter by letter"
    assert "hidden-word" not in repr(settings)
    assert "hidden-word" in settings.secrets


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SESSION_IDLE": "soon"}, "SESSION_IDLE: a length of time such as 90m"),
        ({"SESSION_IDLE": "8d"}, "SESSION_IDLE is longer than SESSION_MAX"),
        ({"SESSION_MAX": "365d"}, "SESSION_MAX is longer than 90d"),
        ({"TRUSTED_PROXIES": "proxy.example.com"}, "TRUSTED_PROXIES: addresses or networks are expected"),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES: addresses or networks are expected"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "everybody would be a proxy"),
        ({"TRUSTED_PROXIES": "::/0"}, "everybody would be a proxy"),
        ({"SIGN_IN_HEADER": "X-User"}, "anybody could send that header. Name the proxy"),
        ({"SIGN_IN_HEADER": "X User", "TRUSTED_PROXIES": "::1"}, "the name of a header is expected"),
        ({"SIGN_IN_GROUPS_HEADER": "X-Groups", "ADMIN_GROUPS": "a"}, "SIGN_IN_HEADER is not"),
        (OIDC, "nobody could get in: set ADMIN_GROUPS"),
        ({**OIDC, "OIDC_CLIENT_ID": ""}, "OpenID Connect is half configured: OIDC_ISSUER, OIDC_CLIENT_SECRET set"),
        ({**OIDC, "ADMIN_GROUPS": "a", "OIDC_ISSUER": "login"}, "the address of the provider is expected"),
        ({**OIDC, "ADMIN_GROUPS": "a", "OIDC_ISSUER": "http://login.example.com"}, "it begins with https://"),
    ],
)
def test_what_cannot_be_right_is_refused_with_the_remedy(read: Read, variables: dict[str, str], words: str):
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    assert words in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def test_a_provider_on_this_machine_needs_no_tls(read: Read):
    assert read(**{**OIDC, "ADMIN_GROUPS": "a", "OIDC_ISSUER": "http://127.0.0.1:9000"}).oidc_issuer


def test_accounts_are_not_kept_where_telemetry_takes_files(read: Read, tmp_path: Path):
    with pytest.raises(SettingsError, match="AUTH_FILE leads into"):
        read(DAGSTER_HOME=str(tmp_path), AUTH_FILE=str(tmp_path / "logs" / "auth.json"))
