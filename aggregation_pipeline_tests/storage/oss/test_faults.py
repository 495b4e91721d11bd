"""Faults, one by one: what is tried again, what is recognised, what fails at once and with which message."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageDamagedError, StorageError
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer

CONTENT = bytes(range(256)) * 2000
PASSING: list[tuple[str, dict[str, Any]]] = [
    ("reset", {}),
    ("status", {"status": 503}),
    ("status", {"status": 500, "code": "InternalError"}),
    ("status", {"status": 400, "code": "RequestTimeout"}),
    ("status", {"status": 429, "code": "QpsLimitExceeded"}),
    ("slow", {"seconds": 0.05}),
]


@pytest.fixture
def store(oss_server: OssServer) -> OssStore:
    return OssStore(oss_server.options())


@pytest.mark.parametrize(("kind", "how"), PASSING)
def test_what_passes_is_outlived_by_every_call(oss_server: OssServer, store: OssStore, kind: str, how: dict[str, Any]):
    calls: list[Callable[[], object]] = [
        lambda: store.put("a/b", CONTENT, media_type="a/b"),
        lambda: store.read("a/b") == CONTENT,
        lambda: store.head("a/b"),
        lambda: list(store.list("a/")),
        lambda: store.copy("a/b", "a/copy", media_type="a/b"),
        lambda: store.symlink("a/b", "a/link", media_type="a/b"),
    ]
    for call in calls:
        oss_server.fail(kind, times=2, **how)
        assert call()
    for key in ("a/b", "a/copy", "a/link"):
        oss_server.fail(kind, times=2, **how)
        store.delete(key)
    assert oss_server.bucket.objects == {}


@pytest.mark.parametrize("at", [0, 1, 300_000])
def test_an_upload_that_is_cut_is_sent_again(oss_server: OssServer, store: OssStore, at: int):
    oss_server.fail("cut_up", method="PUT", at=at)
    store.put("a", CONTENT, media_type="a/b")
    assert oss_server.bucket.objects["a"].data == CONTENT


@pytest.mark.parametrize("attempts", [1, 3])
def test_an_upload_whose_reply_is_lost_is_recognised_and_not_sent_again(oss_server: OssServer, attempts: int):
    oss_server.fail("lost_reply", method="PUT")
    store = OssStore(oss_server.options(attempts=attempts))
    store.put("a", CONTENT, media_type="a/b")
    assert len(oss_server.sent("PUT")) == 1
    assert oss_server.bucket.objects["a"].data == CONTENT


def test_a_lost_reply_over_an_older_object_does_not_take_the_old_for_the_new(oss_server: OssServer, store: OssStore):
    store.put("a", b"older", media_type="a/b")
    oss_server.fail("reset", method="PUT")
    store.put("a", CONTENT, media_type="a/b")
    assert oss_server.bucket.objects["a"].data == CONTENT


def test_a_server_that_hangs_is_given_up_by_the_read_time_out(oss_server: OssServer):
    store = OssStore(oss_server.options(read_timeout=0.2, attempts=2))
    oss_server.fail("hang", times=9, seconds=1)
    with pytest.raises(StorageBusyError, match=r"no answer within .* 0.2 s to read.*Given up after 2 attempts"):
        store.put("a", CONTENT, media_type="a/b")


def test_retries_are_bounded_in_count_and_in_time(oss_server: OssServer):
    oss_server.fail("status", times=99)
    with pytest.raises(StorageBusyError, match=r"503|ServiceUnavailable.*Given up after 3 attempts"):
        OssStore(oss_server.options(attempts=3)).head("a")
    assert len(oss_server.requests) == 3
    started = datetime.now(UTC)
    with pytest.raises(StorageBusyError):
        OssStore(oss_server.options(attempts=10_000, backoff=0.05, give_up_after=0.5)).head("a")
    assert (datetime.now(UTC) - started).total_seconds() < 5


def test_content_that_is_damaged_on_the_way_up_is_refused_by_oss_and_sent_again(oss_server: OssServer, store: OssStore):
    oss_server.fail("damage_up", method="PUT")
    store.put("a", CONTENT, media_type="a/b")
    assert oss_server.bucket.objects["a"].data == CONTENT
    oss_server.fail("damage_up", method="PUT", times=99)
    with pytest.raises(
        StorageBusyError, match=r"Cannot store 'b'.*damaged on the way, and OSS refused it.*Given up after 5 attempts"
    ):
        store.put("b", CONTENT, media_type="a/b")
    assert "b" not in oss_server.bucket.objects


def test_a_reply_without_a_checksum_is_not_taken_at_its_word(oss_server: OssServer, store: OssStore):
    oss_server.fail("no_crc", times=9)
    with pytest.raises(
        StorageError, match=r"carries no CRC64 \(x-oss-hash-crc64ecma\), which a proxy may have removed"
    ):
        store.put("a", CONTENT, media_type="a/b")
    assert oss_server.sent("DELETE") == [], "what stands there by now may be another run's"
    oss_server.bucket.put("b", CONTENT, {})
    with pytest.raises(StorageError, match="the reply carries no CRC64") as caught:
        store.read("b")
    assert not isinstance(caught.value, StorageDamagedError)


@pytest.mark.parametrize("at", [0, 1, 300_000, len(CONTENT) - 1])
def test_a_download_that_is_cut_goes_on_from_there(oss_server: OssServer, store: OssStore, tmp_path: Path, at: int):
    store.put("a", CONTENT, media_type="a/b")
    oss_server.fail("cut_down", method="GET", at=at)
    store.get("a", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    again = oss_server.sent("GET")[-1].headers.get("range", "bytes=0-")
    assert int(again.removeprefix("bytes=").rstrip("-")) <= at


def test_a_cut_download_through_a_proxy_that_ignores_ranges_starts_over(oss_server: OssServer, store: OssStore):
    content = CONTENT * 10
    store.put("a", content, media_type="a/b")
    oss_server.fail("cut_down", method="GET", at=4_000_000)
    oss_server.fail("no_ranges", method="GET")
    assert store.read("a") == content


def test_a_download_whose_object_is_replaced_meanwhile_is_of_one_piece(oss_server: OssServer, store: OssStore):
    old, new = CONTENT * 10, bytes(reversed(CONTENT)) * 10
    store.put("a", old, media_type="a/b")
    oss_server.fail("cut_down", method="GET", at=4_000_000)
    real = oss_server.faults.take

    def replaced_after_the_first(method: str, target: str):
        fault = real(method, target)
        if fault:
            get = oss_server.bucket.get

            def swap(key: str):
                oss_server.bucket.get = get  # type: ignore[method-assign]
                found = get(key)
                oss_server.bucket.put("a", new, {})
                return found

            oss_server.bucket.get = swap  # type: ignore[method-assign]
        return fault

    oss_server.faults.take = replaced_after_the_first  # type: ignore[method-assign]
    try:
        assert store.read("a") == new
    finally:
        oss_server.faults.take = real  # type: ignore[method-assign]


def test_content_that_is_damaged_on_the_way_down_is_fetched_again_once(
    oss_server: OssServer, store: OssStore, tmp_path: Path
):
    store.put("a", CONTENT, media_type="a/b")
    oss_server.fail("damage_down", method="GET")
    assert store.read("a") == CONTENT
    oss_server.fail("damage_down", method="GET", times=2)
    with pytest.raises(StorageDamagedError, match=r"oss://shop-exports/a cannot be verified.*damaged, or a proxy"):
        store.get("a", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_an_object_that_is_damaged_in_the_store_never_reaches_the_disk(
    oss_server: OssServer, store: OssStore, tmp_path: Path
):
    store.put("a", CONTENT, media_type="a/b")
    oss_server.bucket.objects["a"] = replace(oss_server.bucket.objects["a"], data=b"rotten")
    with pytest.raises(StorageError, match="cannot be verified"):
        store.get("a", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def _wrong_secret(server: OssServer) -> dict[str, Any]:
    return {"access_key_secret": "wrong"}


def _unknown_key(server: OssServer) -> dict[str, Any]:
    return {"access_key_id": "LTAIunknown"}


def _clock_slow(server: OssServer) -> dict[str, Any]:
    server.access.clock_offset = timedelta(minutes=20)
    return {}


def _no_rights(server: OssServer) -> dict[str, Any]:
    server.access.forbidden.add("LTAItestkeyid")
    return {}


def _missing_bucket(server: OssServer) -> dict[str, Any]:
    return {"bucket": "no-such-bucket"}


def _wrong_region(server: OssServer) -> dict[str, Any]:
    return {"region": "cn-beijing"}


def _expired_token(server: OssServer) -> dict[str, Any]:
    server.access.keys["STS.key"] = "sts-secret"
    server.access.tokens["token-token"] = datetime.now(UTC) - timedelta(minutes=1)
    return {"access_key_id": "STS.key", "access_key_secret": "sts-secret", "security_token": "token-token"}


def _foreign_token(server: OssServer) -> dict[str, Any]:
    return {**_expired_token(server), "security_token": "other-token"}


def _suspended(server: OssServer) -> dict[str, Any]:
    server.fail("status", times=99, status=403, code="UserDisable")
    return {}


def _new_account(server: OssServer) -> dict[str, Any]:
    server.fail("status", times=99, status=400, code="PublicEndpointForbidden")
    return {}


HOPELESS = [
    (_wrong_secret, "SignatureDoesNotMatch.*copy OSS_ACCESS_KEY_SECRET again"),
    (_unknown_key, "InvalidAccessKeyId.*correct OSS_ACCESS_KEY_ID"),
    (_clock_slow, r"RequestTimeTooSkewed.*clock is wrong by 20 minutes \(slow\).*timedatectl set-ntp true"),
    (_no_rights, "AccessDenied.*give its RAM user oss:(PutObject|GetObject|ListObjects|DeleteObject) "),
    (_missing_bucket, "NoSuchBucket.*correct OSS_BUCKET and OSS_REGION"),
    (_wrong_region, "signature names region 'cn-beijing'.*correct OSS_REGION"),
    (_expired_token, "SecurityTokenExpired.*OSS_CREDENTIALS_URI or OSS_ECS_ROLE"),
    (_foreign_token, "InvalidSecurityToken.*from one STS reply"),
    (_suspended, "UserDisable.*account is suspended"),
    (
        _new_account,
        (
            "PublicEndpointForbidden.*since 2025-03-20.*custom domain only.*set OSS_ENDPOINT to it, or set"
            " OSS_INTERNAL=true"
        ),
    ),
]


@pytest.mark.parametrize(("arrange", "words"), HOPELESS)
def test_what_no_retry_can_cure_fails_at_once_with_its_remedy(
    oss_server: OssServer, arrange: Callable[[OssServer], dict[str, Any]], words: str
):
    store = OssStore(oss_server.options(**arrange(oss_server)))
    calls: list[Callable[[], object]] = [
        lambda: store.put("a", CONTENT, media_type="a/b"),
        lambda: store.read("a"),
        lambda: store.head("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
        lambda: store.copy("a", "b", media_type="a/b"),
        lambda: store.symlink("a", "b", media_type="a/b"),
    ]
    for call in calls:
        oss_server.requests.clear()
        with pytest.raises(StorageError, match=words) as caught:
            call()
        assert not caught.value.retryable
        assert len(oss_server.requests) == 1


def test_a_host_that_does_not_exist_is_said_at_once(oss_server: OssServer):
    store = OssStore(oss_server.options(endpoint="http://no-such-host.invalid"))
    with pytest.raises(
        StorageError, match=r"no host of that name. Correct OSS_REGION or OSS_ENDPOINT|the connection broke"
    ):
        store.head("a")


def test_a_closed_port_may_open_again_and_is_retried(oss_server: OssServer):
    with pytest.raises(
        StorageBusyError, match=r"the connection broke \(ConnectionRefusedError\).*Given up after 2 attempts"
    ):
        OssStore(oss_server.options(endpoint="http://127.0.0.1:9", attempts=2)).head("a")
