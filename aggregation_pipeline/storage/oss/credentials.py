"""Credentials that expire: fetched from a URI or from the ECS machine's RAM role, and again before they expire.

oss2 has a provider for the machine's role only. It knows neither the hardened metadata service, which wants a token
first, nor other URIs; and its error messages quote the reply, which holds the keys.
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import requests
from oss2.credentials import Credentials, CredentialsProvider

from aggregation_pipeline.errors import StorageBusyError, StorageError

METADATA = "http://100.100.100.200/latest"
_RENEW_BEFORE = 300  # seconds before keys expire
_TIMEOUT = 5


class RenewedCredentials(CredentialsProvider):  # type: ignore[misc]  # oss2 ships no types
    """Credentials from `fetch`, which returns the JSON reply of Alibaba Cloud's credential services.

    Threads share one fetch. While the current keys are valid, a failed renewal is no error.
    """

    def __init__(self, fetch: Callable[[], bytes], *, where: str, clock: Callable[[], float] = time.time) -> None:
        self._fetch, self._where, self._clock = fetch, where, clock
        self._lock = threading.Lock()
        self._current: Credentials | None = None
        self._expires = 0.0

    def get_credentials(self) -> Credentials:
        """Return keys that are still valid.

        Raises:
            StorageBusyError: there are none, because the service does not answer.
            StorageError: the service refuses, or its reply makes no sense.
        """
        with self._lock:
            if self._current is None or self._expires - self._clock() < _RENEW_BEFORE:
                try:
                    self._current, self._expires = self._parse(self._fetch())
                except (OSError, StorageError) as error:
                    if self._current is None or self._expires <= self._clock():
                        raise self._unavailable(error) from None
            return self._current

    def _parse(self, reply: bytes) -> tuple[Credentials, float]:
        try:
            fields = json.loads(reply)
            keys = Credentials(fields["AccessKeyId"], fields["AccessKeySecret"], fields["SecurityToken"])
            return keys, datetime.strptime(fields["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        except (ValueError, KeyError, TypeError):  # the cause would quote the reply
            raise StorageError(
                "the reply is not the expected JSON (AccessKeyId, AccessKeySecret, SecurityToken, Expiration)"
            ) from None

    def _unavailable(self, error: Exception) -> StorageError:
        status = (
            error.response.status_code if isinstance(error, requests.HTTPError) and error.response is not None else 0
        )
        if 400 <= status < 500:
            return StorageError(
                f"{self._where} refuses to give OSS credentials (HTTP {status}): "
                "is the role attached to this machine, is the address right?"
            )
        if isinstance(error, StorageError):
            return StorageError(f"{self._where} gives no OSS credentials: {error}.")
        return StorageBusyError(
            f"{self._where} does not answer ({type(error).__name__}), so there are no OSS credentials. "
            "Is this machine where they are served?"
        )


def from_uri(uri: str) -> RenewedCredentials:
    """Take keys from any service that answers a GET with the usual JSON."""
    return RenewedCredentials(lambda: _request(uri), where="OSS_CREDENTIALS_URI")


def from_ecs_role(role: str, *, metadata: str = METADATA) -> RenewedCredentials:
    """Take keys of this ECS machine's RAM role; `auto` asks the metadata service for the role's name."""

    def fetch() -> bytes:
        try:
            token = {
                "X-aliyun-ecs-metadata-token": _request(
                    f"{metadata}/api/token", "PUT", {"X-aliyun-ecs-metadata-token-ttl-seconds": "300"}
                ).decode()
            }
        except OSError:  # machines without the hardened mode answer the plain request
            token = {}
        base = f"{metadata}/meta-data/ram/security-credentials/"
        name = _request(base, headers=token).decode().split()[0] if role == "auto" else role
        return _request(base + name, headers=token)

    return RenewedCredentials(fetch, where="The ECS metadata service")


def _request(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> bytes:
    with requests.Session() as session:
        session.trust_env = False  # the service is near and reached directly, whatever proxy the environment names
        reply = session.request(method, url, headers=headers, timeout=_TIMEOUT)
        reply.raise_for_status()
        return reply.content
