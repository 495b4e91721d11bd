"""A connection to one bucket: signing, one pool of HTTP connections, retries, errors in our words."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import oss2
import requests
import tenacity
from urllib3.response import BaseHTTPResponse

from aggregation_pipeline.errors import StorageBusyError
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.oss import credentials
from aggregation_pipeline.storage.oss.errors import FOREIGN, explain, silence_oss2
from aggregation_pipeline.storage.oss.options import OssOptions, is_custom_domain

CRC_HEADER = "x-oss-hash-crc64ecma"
TYPE_HEADER = "x-oss-object-type"
SYMLINK = "Symlink"
_MAX_WAIT_SECONDS = 20
_POOL_SIZE = 20  # four files at once with four parts each, and some room
T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends queries the way oss2 signs them, and reads replies to their end where oss2 does not.

    A space is sent as `%20`; requests would write `+`, and the server would have to guess. An unread reply keeps its
    connection out of the pool. oss2 does not read what follows an upload's completion, nor an error to its last byte.
    """

    def request_url(self, request: requests.PreparedRequest, proxies: dict[str, str] | None) -> str:
        """Return the address to send, with `%20` for spaces in the query."""
        address, mark, query = super().request_url(request, proxies).partition("?")
        return address + mark + query.replace("+", "%20")  # a true plus is %2B by now

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """Return the reply, read to its end unless it is an object's content."""
        reply = super().build_response(req, resp)
        if req.method != "GET" or not reply.ok:
            _ = reply.content
        return reply


class Connection:
    """The connection that all threads of a store share.

    Attributes:
        bucket: for calls.
        link_bucket: signs links for people, who may reach OSS at another address.
    """

    def __init__(self, options: OssOptions) -> None:
        silence_oss2()
        self.options = options
        if options.credentials_uri:
            provider = credentials.from_uri(options.credentials_uri)
        elif options.ecs_role:
            provider = credentials.from_ecs_role(options.ecs_role)
        else:
            provider = oss2.credentials.StaticCredentialsProvider(
                options.access_key_id, options.access_key_secret, options.security_token
            )
        self._auth = oss2.ProviderAuthV4(provider) if options.signature == "v4" else oss2.ProviderAuth(provider)
        self._session = oss2.Session(adapter=_Adapter(pool_connections=_POOL_SIZE, pool_maxsize=_POOL_SIZE))
        self.bucket = self._open(options.endpoint, custom_domain=bool(options.custom_domain))
        own_domain = (
            bool(options.custom_domain)
            if options.link_endpoint == options.endpoint
            else is_custom_domain(options.link_endpoint)
        )
        self.link_bucket = self._open(options.link_endpoint, custom_domain=own_domain)

    def with_retries(self, what: str, call: Callable[[], T]) -> T:
        """Repeat `call()` while it fails for reasons that may pass, with growing, random pauses.

        `what` completes "Cannot ... in OSS bucket" in errors.

        Raises:
            StorageBusyError: it still fails after `attempts`, or `give_up_after` seconds.
            StorageError: it fails for a reason that will not pass.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.options.attempts)
            | tenacity.stop_before_delay(self.options.give_up_after),
            wait=tenacity.wait_random_exponential(multiplier=self.options.backoff, max=_MAX_WAIT_SECONDS),
            retry=tenacity.retry_if_exception_type(StorageBusyError),
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            result: T = retrying(self.without_retries, what, call)
        except StorageBusyError as error:
            tried = retrying.statistics
            failure = StorageBusyError(
                f"{error} Given up after {tried['attempt_number']} attempts in"
                f" {tried['delay_since_first_attempt']:.0f} s."
            )
        else:
            return result
        raise failure

    def without_retries(self, what: str, call: Callable[[], T]) -> T:
        """Run `call()` once, with errors of oss2 and the network explained.

        Raises:
            StorageError: it failed. The original error may quote secrets, so it is not chained.
        """
        try:
            return call()
        except FOREIGN as error:
            failure = explain(error, what, self.options)
        raise failure  # outside the handler, or Python would chain the original

    def find_object(self, key: str) -> StoredObject | None:
        """Return the object or None, without retries: one HEAD, two more requests for a symlink.

        OSS does not say whose checksum a symlink's HEAD states, so its file is asked. A symlink whose file is gone
        counts as None.
        """

        def head() -> StoredObject | None:
            try:
                found = self.bucket.head_object(key)
                target = self.bucket.get_symlink(key).target_key if found.headers.get(TYPE_HEADER) == SYMLINK else None
                file = found if target is None else self.bucket.head_object(target)
            except oss2.exceptions.ServerError as error:
                if error.status == 404 and error.code != "NoSuchBucket":
                    return None
                raise
            return StoredObject(
                key, file.content_length, file.headers.get(CRC_HEADER), _time(found.last_modified), target
            )

        return self.without_retries(f"look at {key!r}", head)

    def holds(self, wanted: StoredObject) -> bool:
        """Whether the bucket has exactly this file under this key: then an upload arrived, and its reply was lost."""
        found = self.find_object(wanted.key)
        return found is not None and (found.bytes, found.crc64, found.link) == (wanted.bytes, wanted.crc64, None)

    def _open(self, endpoint: str, *, custom_domain: bool) -> oss2.Bucket:
        limits = (self.options.connect_timeout, self.options.read_timeout)
        return oss2.Bucket(
            self._auth,
            endpoint,
            self.options.bucket,
            is_cname=custom_domain,
            session=self._session,
            connect_timeout=limits,  # requests takes the pair; a single number would be both
            enable_crc=False,  # crc64.py does it, at any speed of the network
            region=self.options.region or None,
            is_verify_object_strict=False,
        )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0
    _log.warning("%s Attempt %d follows in %.1f s.", error, state.attempt_number + 1, pause)
