"""OSS without faults: signatures, addresses, headers, links, parts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.oss.multipart import part_size_for
from aggregation_pipeline.storage.oss.options import MIB
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import DOMAIN

KEY = "用户 表/2026-11-20/用户 表.summary.csv"


@pytest.mark.parametrize("signature", ["v4", "v1"])
@pytest.mark.parametrize("endpoint", [None, f"http://{DOMAIN}", "http://oss-cn-hangzhou.aliyuncs.com"])
def test_every_call_is_signed_right_by_address_domain_and_host_name(
    oss_server: OssServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, signature: str, endpoint: str | None
):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{oss_server.port}")  # so that no host name has to resolve
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    changes: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    store = OssStore(oss_server.options(signature=signature, multipart_above=1000, part_size=100 * 1024, **changes))
    (tmp_path / "file").write_bytes(b"0123456789" * 30_000)
    store.put(KEY, tmp_path / "file", media_type="text/csv", metadata={"table": "用户 表"}, filename="用户 表.csv")
    store.put("small", b"x", media_type="text/csv")
    assert store.read(KEY) == (tmp_path / "file").read_bytes()
    assert [stored.key for stored in store.list("用户 表/")] == [KEY]
    link = store.link(KEY, 60)
    assert link is not None
    assert requests.get(link, timeout=10).content == (tmp_path / "file").read_bytes()
    store.delete(KEY)
    assert store.head(KEY) is None
    assert {request.signature for request in oss_server.requests} == {signature, f"{signature} link"}
    assert {request.status for request in oss_server.requests} == {200, 204, 404}


def test_objects_carry_type_name_metadata_and_are_private(oss_server: OssServer):
    store = OssStore(oss_server.options(encryption="KMS", encryption_key_id="key-1", storage_class="IA"))
    store.put(
        KEY, b"a,b", media_type="text/csv", metadata={"table": '用户 "表"', "rows": "3"}, filename='用户 "表".csv'
    )
    headers = oss_server.bucket.objects[KEY].headers
    assert headers["content-type"] == "text/csv"
    assert (
        headers["content-disposition"]
        == "attachment; filename=\"__ ___.csv\"; filename*=UTF-8''%E7%94%A8%E6%88%B7%20%22%E8%A1%A8%22.csv"
    )
    assert headers["x-oss-meta-table"] == "%E7%94%A8%E6%88%B7%20%22%E8%A1%A8%22"
    assert headers["x-oss-meta-rows"] == "3"
    assert headers["x-oss-object-acl"] == "private"
    assert headers["x-oss-server-side-encryption"] == "KMS"
    assert headers["x-oss-server-side-encryption-key-id"] == "key-1"
    assert headers["x-oss-storage-class"] == "IA"


def test_parts_carry_the_same_headers_as_a_single_put(oss_server: OssServer, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    for key, above in (("one", MIB), ("parts", 1000)):
        store = OssStore(oss_server.options(multipart_above=above, part_size=100 * 1024, encryption="AES256"))
        store.put(key, tmp_path / "file", media_type="text/csv", metadata={"table": "t"}, filename="f.csv")
    assert oss_server.bucket.objects["one"].headers == oss_server.bucket.objects["parts"].headers
    assert oss_server.bucket.objects["one"].crc64 == oss_server.bucket.objects["parts"].crc64


def test_temporary_keys_work_with_their_token_in_headers_and_links(oss_server: OssServer):
    oss_server.access.keys["STS.key"] = "sts-secret"
    oss_server.access.tokens["the/token+="] = datetime.now(UTC) + timedelta(hours=1)
    for signature in ("v4", "v1"):
        store = OssStore(
            oss_server.options(
                access_key_id="STS.key",
                access_key_secret="sts-secret",
                security_token="the/token+=",
                signature=signature,
            )
        )
        store.put("a", b"x", media_type="a/b")
        link = store.link("a", 60)
        assert link is not None
        assert requests.get(link, timeout=10).content == b"x"


def test_a_link_ends_when_it_said_it_would(oss_server: OssServer):
    store = OssStore(oss_server.options())
    store.put("a", b"x", media_type="a/b")
    link = store.link("a", 60)
    assert link is not None
    oss_server.access.clock_offset = timedelta(seconds=61)
    assert requests.get(link, timeout=10).status_code == 403


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_a_link_that_oss_would_not_honour_is_refused_here(oss_server: OssServer, seconds: int):
    with pytest.raises(StorageError, match="lives between 1 and 604800 seconds"):
        OssStore(oss_server.options()).link("a", seconds)


def test_a_listing_fetches_page_after_page(oss_server: OssServer):
    keys = [f"t/用户 {number:05}+%" for number in range(2345)]
    for key in keys:
        oss_server.bucket.put(key, b"", {})
    assert [stored.key for stored in OssStore(oss_server.options()).list("t/")] == keys
    assert len(oss_server.sent("GET")) == 3


def test_the_uri_is_readable_and_the_repr_has_no_secret(oss_server: OssServer):
    store = OssStore(oss_server.options())
    assert store.uri(KEY) == f"oss://shop-exports/{KEY}"
    assert oss_server.options().access_key_secret not in repr(store)


@pytest.mark.parametrize(
    ("size", "preferred", "expected"),
    [
        (20 * MIB, 8 * MIB, 8 * MIB),
        (1, 1, 100 * 1024),
        (80_000 * MIB, 8 * MIB, 8 * MIB),
        (80_001 * MIB, 8 * MIB, 9 * MIB),
        (48_800 * 1024 * MIB, 8 * MIB, 4998 * MIB),
    ],
)
def test_part_sizes_keep_within_10000_parts_of_at_least_100_kib(size: int, preferred: int, expected: int):
    assert part_size_for(size, preferred) == expected
    assert -(-size // expected) <= 10_000


def test_a_large_file_goes_up_in_parallel_parts_of_one_object(oss_server: OssServer, tmp_path: Path):
    content = bytes(range(256)) * 4096  # 1 MiB
    (tmp_path / "file").write_bytes(content)
    store = OssStore(oss_server.options(multipart_above=200 * 1024, part_size=100 * 1024, parallel_parts=4))
    oss_server.fail("slow", method="PUT", seconds=0.2, times=11)
    started = datetime.now(UTC)
    store.put("big", tmp_path / "file", media_type="a/b")
    assert (datetime.now(UTC) - started).total_seconds() < 11 * 0.2  # one after the other would take that
    assert oss_server.bucket.objects["big"].data == content
    assert len(oss_server.sent("PUT")) == 11
    assert oss_server.bucket.uploads == {}
