"""How OSS is reached. Checked once, when the settings load; errors name the variable to correct."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from aggregation_pipeline.config.hosts_and_urls import url_problem
from aggregation_pipeline.errors import SettingsError

MIB = 1024 * 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_REGIONAL_HOST = re.compile(r"(?:s3\.)?oss-([a-z0-9-]+?)(-internal)?\.aliyuncs\.com")
_ADDRESS = re.compile(r"localhost|[0-9.]+|\[.*\]")
# An endpoint that serves every region says nothing about the bucket's.
_REGIONLESS = {"accelerate", "accelerate-overseas"}


@dataclass(frozen=True)
class OssOptions:
    """Where the bucket is, whose keys sign, and how long to try. Secrets stay out of the repr. Times are in seconds.

    Attributes:
        region: `cn-hangzhou` or `oss-cn-hangzhou`; by default that of the endpoint.
        access_key_id: with `access_key_secret`, and `security_token` if they are temporary. Or:
        credentials_uri: a service that gives keys. Or:
        ecs_role: the RAM role of this machine; `auto` asks the machine which.
        endpoint: host or URL, https without a scheme; by default the region's public one.
        internal: take the endpoint inside Alibaba Cloud, which costs no traffic.
        custom_domain: whether the endpoint is the bucket's own domain; by default, when it is not Alibaba's.
        link_endpoint: the public address in download links; by default the endpoint.
        copy_above: copies within the bucket of more bytes are made in parts of `copy_part`; OSS has a limit.
    """

    bucket: str
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    access_key_secret: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    credentials_uri: str = field(default="", repr=False)
    ecs_role: str = ""
    endpoint: str = ""
    internal: bool = False
    custom_domain: bool | None = None
    link_endpoint: str = ""
    signature: Literal["v4", "v1"] = "v4"
    acl: Literal["private", "default"] = "private"
    encryption: Literal["", "AES256", "KMS"] = ""
    encryption_key_id: str = ""
    storage_class: Literal["", "Standard", "IA", "Archive", "ColdArchive"] = ""
    connect_timeout: float = 10
    read_timeout: float = 60
    attempts: int = 5
    backoff: float = 0.5
    give_up_after: float = 300
    multipart_above: int = 16 * MIB
    part_size: int = 8 * MIB
    parallel_parts: int = 4
    copy_above: int = 1000**3
    copy_part: int = 256 * MIB
    temp_dir: Path | None = None

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            raise SettingsError(
                f"OSS_BUCKET {_shown(self.bucket)} is no bucket name: 3 to 63 lowercase letters, digits and hyphens, no"
                " hyphen at either end."
            )
        self._check_keys()
        region, endpoint = _region(self.region), self.endpoint.strip()
        host = _host(endpoint) if endpoint else ""
        if host.startswith(f"{self.bucket}."):
            raise SettingsError(
                f"OSS_ENDPOINT {self.endpoint!r} names the bucket already: leave the bucket out, it is put in front by"
                " itself."
            )
        named = match[1] if (match := _REGIONAL_HOST.fullmatch(host)) and match[1] not in _REGIONLESS else ""
        if region and named and region != named:
            raise SettingsError(
                f"OSS_REGION {self.region!r} and OSS_ENDPOINT {self.endpoint!r} name different regions: "
                "correct one, or leave OSS_ENDPOINT out."
            )
        region = region or named
        if not region and (not endpoint or self.signature == "v4"):
            raise SettingsError(
                "OSS_REGION is missing: signatures of version 4 name the bucket's region. For example"
                " OSS_REGION=oss-cn-hangzhou."
            )
        if not endpoint:
            endpoint = f"oss-{region}{'-internal' if self.internal else ''}.aliyuncs.com"
        object.__setattr__(self, "region", region)
        object.__setattr__(self, "endpoint", _url(endpoint))
        if self.link_endpoint.strip():
            _host(self.link_endpoint.strip(), name="OSS_LINK_ENDPOINT")
        object.__setattr__(
            self, "link_endpoint", _url(self.link_endpoint.strip()) if self.link_endpoint.strip() else self._public()
        )
        if self.custom_domain is None:
            object.__setattr__(self, "custom_domain", is_custom_domain(self.endpoint))
        if self.attempts < 1 or min(self.connect_timeout, self.read_timeout, self.give_up_after) <= 0:
            raise SettingsError("OSS time-outs are seconds above 0, and there is at least one attempt.")

    @property
    def host(self) -> str:
        """Host and port of the endpoint, for messages."""
        return urlsplit(self.endpoint).netloc

    def _public(self) -> str:
        return self.endpoint.replace("-internal.aliyuncs.com", ".aliyuncs.com")

    def _check_keys(self) -> None:
        given = [bool(self.access_key_id or self.access_key_secret), bool(self.credentials_uri), bool(self.ecs_role)]
        if sum(given) != 1:
            raise SettingsError(
                "OSS needs one way to sign requests: OSS_ACCESS_KEY_ID with OSS_ACCESS_KEY_SECRET, OSS_CREDENTIALS_URI"
                f" or OSS_ECS_ROLE; {sum(given)} are set."
            )
        if self.credentials_uri and url_problem(self.credentials_uri):
            raise SettingsError(
                "OSS_CREDENTIALS_URI is no address: expected http://... or https://..., which answers with keys as"
                " JSON."
            )
        for name, value in (
            ("OSS_ACCESS_KEY_ID", self.access_key_id),
            ("OSS_ACCESS_KEY_SECRET", self.access_key_secret),
        ):
            if given[0] and not value.strip():
                raise SettingsError(f"{name} is missing: the access key has two halves, and OSS_BUCKET needs both.")
            if value != value.strip() or not value.isascii() or not value.isprintable():
                raise SettingsError(
                    f"{name} holds a space, a line break or another character that no key has: copy it again."
                )


def is_custom_domain(endpoint: str) -> bool:
    """Whether the host is the bucket's own domain: neither Alibaba's nor a bare address."""
    host = _host(endpoint)
    return not host.endswith(".aliyuncs.com") and not _ADDRESS.fullmatch(host)


def _shown(text: str) -> str:
    """The text for a message, without what may be a user and a key."""
    return repr(text.rpartition("@")[2])


def _region(text: str) -> str:
    region = text.strip().removeprefix("oss-").removesuffix("-internal")
    if region and not _REGION.fullmatch(region):
        raise SettingsError(
            f"OSS_REGION {_shown(text)} is no region: expected the like of oss-cn-hangzhou or cn-hangzhou."
        )
    return region


def _url(endpoint: str) -> str:
    return endpoint.rstrip("/") if "://" in endpoint else f"https://{endpoint.rstrip('/')}"


def _host(endpoint: str, *, name: str = "OSS_ENDPOINT") -> str:
    url = _url(endpoint)
    problem = url_problem(url)
    if problem or (parts := urlsplit(url)).path or parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(
            f"{name} {_shown(endpoint)} is no endpoint: expected a host such as"
            f" oss-cn-hangzhou.aliyuncs.com, with http(s):// if need be{f'; {problem}' if problem else ''}."
        )
    return str(parts.hostname)
