"""No key, token or signature reaches a log, a message or a traceback, however loud the logs are set."""

import logging
import traceback
from datetime import UTC, datetime, timedelta

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer

SECRET, TOKEN, KEY_ID = "the-secret-of-the-key", "the-security-token", "STS.the-key-id"


@pytest.mark.parametrize("signature", ["v4", "v1"])
@pytest.mark.parametrize("trouble", ["none", "wrong secret", "expired token", "unavailable", "reset"])
def test_logs_at_debug_and_tracebacks_hold_no_secret(
    oss_server: OssServer, caplog: pytest.LogCaptureFixture, signature: str, trouble: str
):
    oss_server.access.keys[KEY_ID] = SECRET if trouble != "wrong secret" else "another"
    oss_server.access.tokens[TOKEN] = datetime.now(UTC) + timedelta(minutes=-1 if trouble == "expired token" else 60)
    if trouble in {"unavailable", "reset"}:
        oss_server.fail("reset" if trouble == "reset" else "status", times=99)
    for name in ("", "oss2", "oss2.api", "oss2.http", "oss2.auth", "urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    store = OssStore(
        oss_server.options(
            access_key_id=KEY_ID, access_key_secret=SECRET, security_token=TOKEN, signature=signature, attempts=2
        )
    )
    said = []
    for call in (
        lambda: store.put("a", b"x", media_type="a/b"),
        lambda: store.read("a"),
        lambda: store.copy("a", "b", media_type="a/b"),
        lambda: store.symlink("a", "c", media_type="a/b"),
        lambda: store.head("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
    ):
        try:
            call()
        except StorageError as error:
            said.append("".join(traceback.format_exception(error)))
    assert bool(said) == (trouble != "none")
    link = store.link("a", 60)
    assert link is not None
    sent = [
        request.headers["authorization"].rpartition("=" if signature == "v4" else ":")[2]
        for request in oss_server.requests
    ]
    everything = caplog.text + "".join(said) + repr(store) + repr(store.options)
    for hidden in (SECRET, TOKEN, KEY_ID, "uthorization", "StringToSign", link.partition("?")[2], *filter(None, sent)):
        assert hidden not in everything
