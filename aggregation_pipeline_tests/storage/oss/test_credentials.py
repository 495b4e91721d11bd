"""Keys that expire, from a real HTTP service on the loopback."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.oss import credentials
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer


class KeyService:
    """A credential service and an ECS metadata service in one: `hardened` asks for a metadata token first."""

    def __init__(self) -> None:
        self.status, self.lifetime, self.hardened = 200, timedelta(hours=1), False
        self.body: bytes | None = None
        self.asked: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                refused = service.hardened and self.headers.get("X-aliyun-ecs-metadata-token") != "meta-token"
                self._answer(
                    403 if refused else service.status,
                    b"ShopRole" if self.path.endswith("credentials/") else service.keys(),
                )

            def do_PUT(self) -> None:
                self._answer(200 if service.hardened else 404, b"meta-token")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Do nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def keys(self) -> bytes:
        if self.body is not None:
            return self.body
        ends = (datetime.now(UTC) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        number = len(self.asked)
        fields = {
            "Code": "Success",
            "AccessKeyId": "STS.key",
            "AccessKeySecret": "sts-secret",
            "SecurityToken": f"token-{number}",
            "Expiration": ends,
        }
        return json.dumps(fields).encode()


@pytest.fixture
def keys() -> Iterator[KeyService]:
    service = KeyService()
    thread = threading.Thread(target=service.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield service
    service.http.shutdown()
    service.http.server_close()
    thread.join(10)


def test_keys_from_a_uri_sign_requests_and_are_fetched_once(oss_server: OssServer, keys: KeyService):
    oss_server.access.keys["STS.key"] = "sts-secret"
    oss_server.access.tokens["token-1"] = datetime.now(UTC) + timedelta(hours=1)
    store = OssStore(oss_server.options(access_key_id="", access_key_secret="", credentials_uri=f"{keys.url}/keys"))
    for number in range(3):
        store.put(f"a/{number}", b"x", media_type="a/b")
    assert keys.asked == ["/keys"]


@pytest.mark.parametrize("hardened", [False, True])
@pytest.mark.parametrize("role", ["ShopRole", "auto"])
def test_keys_of_the_machines_role_come_with_and_without_the_hardened_metadata_service(
    keys: KeyService, *, role: str, hardened: bool
):
    keys.hardened = hardened
    got = credentials.from_ecs_role(role, metadata=keys.url).get_credentials()
    assert (got.get_access_key_id(), got.get_access_key_secret()) == ("STS.key", "sts-secret")
    assert keys.asked[-1] == "/meta-data/ram/security-credentials/ShopRole"


def test_keys_are_renewed_before_they_expire(keys: KeyService):
    keys.lifetime = timedelta(minutes=4)  # less than the margin: each call renews
    provider = credentials.from_uri(keys.url)
    assert [provider.get_credentials().get_security_token() for _ in range(2)] == ["token-1", "token-2"]


def test_a_failing_renewal_is_no_reason_to_stop_while_the_keys_are_valid(keys: KeyService):
    keys.lifetime = timedelta(minutes=4)
    provider = credentials.from_uri(keys.url)
    provider.get_credentials()
    keys.status = 500
    assert provider.get_credentials().get_security_token() == "token-1"


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (500, None, StorageBusyError, "OSS_CREDENTIALS_URI does not answer"),
        (404, None, StorageError, "refuses to give OSS credentials .HTTP 404.*role attached"),
        (
            200,
            b'{"AccessKeySecret": "sts-secret"}',
            StorageError,
            "gives no OSS credentials: the reply is not the expected JSON",
        ),
    ],
)
def test_without_keys_the_reason_is_given_and_the_reply_is_not_quoted(
    keys: KeyService, status: int, body: bytes | None, kind: type[StorageError], words: str
):
    keys.status, keys.body = status, body
    with pytest.raises(kind, match=words) as caught:
        credentials.from_uri(keys.url).get_credentials()
    assert type(caught.value) is kind
    assert "sts-secret" not in str(caught.value)


def test_a_credential_service_that_fails_stops_a_put_with_its_own_words(oss_server: OssServer, keys: KeyService):
    keys.status = 404
    store = OssStore(oss_server.options(access_key_id="", access_key_secret="", credentials_uri=keys.url))
    with pytest.raises(StorageError, match="OSS_CREDENTIALS_URI refuses"):
        store.put("a", b"x", media_type="a/b")
