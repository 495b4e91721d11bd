"""The variables of access: accounts, sessions, sign-in by a proxy or by OpenID Connect."""

import ipaddress
import os
import re
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.config.durations import Duration, parse_duration
from aggregation_pipeline.config.hosts_and_urls import is_loopback, url_problem
from aggregation_pipeline.settings.messages import half_configured, split_list

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")
_DEFAULT_NAME: Final = "auth.json"
_GROUPS: Final = ("viewer_groups", "operator_groups", "admin_groups")
_LONGEST_SESSION: Final = timedelta(days=90)
_OIDC: Final = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")


class AccessSettings(BaseModel):
    """Who may reach the UI and the endpoints, and how they sign in."""

    # Accounts and tokens. By default auth.json in DAGSTER_HOME.
    auth_file: Path | None = None
    # The password of the first account, where there is none yet.
    admin_password_file: Path | None = None
    # A session ends when it was not used for so long, and after so long in any case.
    session_idle: Duration = "12h"
    session_max: Duration = "7d"

    # Whose X-Forwarded-... headers, and SIGN_IN_HEADER, are believed: addresses and networks.
    trusted_proxies: tuple[Network, ...] = ()
    # The headers in which those proxies say who asks, and to which groups they belong.
    sign_in_header: str | None = None
    sign_in_groups_header: str | None = None
    # Whether passwords and cookies may travel without TLS.
    allow_sign_in_over_http: bool = False

    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_scopes: str = "openid profile email"
    oidc_name_claim: str = Field(default="preferred_username", min_length=1)
    oidc_groups_claim: str = Field(default="groups", min_length=1)
    # Which groups of the provider, or of the proxy, have which role. Without one of them there is no access.
    viewer_groups: tuple[str, ...] = ()
    operator_groups: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()

    @field_validator(*_GROUPS, mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return split_list(value) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _read_networks(cls, value: object) -> object:
        return tuple(map(_network, split_list(value))) if isinstance(value, str) else value

    @field_validator("sign_in_header", "sign_in_groups_header")
    @classmethod
    def _refuse_bad_header(cls, value: str | None) -> str | None:
        if value is not None and not _HEADER.fullmatch(value):
            raise ValueError("the name of a header is expected, such as X-Forwarded-User")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _refuse_bad_issuer(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if problem := url_problem(value):
            raise ValueError(f"the address of the provider is expected, such as https://login.example.com; {problem}")
        if not value.startswith("https://") and not is_loopback(urlsplit(value).hostname or ""):
            raise ValueError("it begins with https://, or others could sign in as anybody")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _refuse_everybody(cls, value: tuple[Network, ...]) -> tuple[Network, ...]:
        if any(network.prefixlen == 0 for network in value):
            raise ValueError("everybody would be a proxy and could say who they are; name the proxies' own addresses")
        return value

    def access_problems(self) -> list[str]:
        """What is wrong with the variables together."""
        given = {name: getattr(self, name.lower()) is not None for name in _OIDC}
        has_groups = bool(self.viewer_groups or self.operator_groups or self.admin_groups)
        wrong = {
            "SIGN_IN_HEADER is set, and TRUSTED_PROXIES is not: anybody could send that header. Name the proxy that"
            " sets it": self.sign_in_header and not self.trusted_proxies,
            "SIGN_IN_GROUPS_HEADER is set, and SIGN_IN_HEADER is not: who is in those groups would not be known": (
                self.sign_in_groups_header and not self.sign_in_header
            ),
            "nobody could get in: set ADMIN_GROUPS, OPERATOR_GROUPS or VIEWER_GROUPS to the groups that OIDC_ISSUER or"
            " SIGN_IN_GROUPS_HEADER names": (self.oidc_issuer or self.sign_in_groups_header) and not has_groups,
            "SESSION_IDLE is longer than SESSION_MAX, which ends every session": (
                self.session_idle_time > self.session_longest
            ),
            f"SESSION_MAX is longer than {_LONGEST_SESSION.days}d": self.session_longest > _LONGEST_SESSION,
        }
        return [
            *half_configured(
                "OpenID Connect", [name for name in _OIDC if given[name]], [name for name in _OIDC if not given[name]]
            ),
            *(problem for problem, is_wrong in wrong.items() if is_wrong),
        ]

    @property
    def auth_path(self) -> Path:
        """AUTH_FILE, or auth.json in DAGSTER_HOME, or else in the working folder."""
        return self.auth_file or Path(os.environ.get("DAGSTER_HOME") or ".").expanduser() / _DEFAULT_NAME

    @property
    def session_idle_time(self) -> timedelta:
        """How long a session may be unused."""
        return parse_duration(self.session_idle)

    @property
    def session_longest(self) -> timedelta:
        """How long a session may last."""
        return parse_duration(self.session_max)

    def role_of_groups(self, groups: Collection[str]) -> Role | None:
        """Return the highest role that one of the groups has; None for no access."""
        by_role = {Role.ADMIN: self.admin_groups, Role.OPERATOR: self.operator_groups, Role.VIEWER: self.viewer_groups}
        return next((role for role, named in by_role.items() if set(named) & set(groups)), None)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        # Python's message is not used: it repeats the text, which may be a secret in the wrong line.
        raise ValueError(
            "addresses or networks are expected, such as 127.0.0.1, 10.0.0.0/8, and no name; of a network its first"
            " address, so not 10.0.0.1/8"
        ) from None
