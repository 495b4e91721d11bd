"""The test server itself: another client than oss2 can use it, and it refuses what OSS refuses."""

import base64
import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

import alibabacloud_oss_v2 as sdk
import oss2
import pytest
import requests

from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID, REGION, SECRET

KEY = "用户 表/a+b%.csv"


def bucket(server: OssServer, auth: object = None) -> oss2.Bucket:
    """oss2 as it comes, with its own checksums."""
    session = oss2.Session()
    return oss2.Bucket(
        auth or oss2.AuthV4(KEY_ID, SECRET), f"http://127.0.0.1:{server.port}", BUCKET, region=REGION, session=session
    )


@pytest.mark.parametrize("signature", ["v4", "v1"])
def test_the_other_sdk_puts_reads_lists_and_deletes(oss_server: OssServer, signature: str):
    config = sdk.config.load_default()
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider(KEY_ID, SECRET)
    config.region, config.endpoint, config.signature_version = REGION, f"http://127.0.0.1:{oss_server.port}", signature
    client = sdk.Client(config)
    put = client.put_object(sdk.PutObjectRequest(bucket=BUCKET, key=KEY, body=b"content", metadata={"table": "t"}))
    assert put.hash_crc64 == oss_server.bucket.objects[KEY].crc64
    got = client.get_object(sdk.GetObjectRequest(bucket=BUCKET, key=KEY))
    assert got.body is not None
    assert got.body.content == b"content"
    assert got.metadata == {"table": "t"}
    listed = client.list_objects_v2(sdk.ListObjectsV2Request(bucket=BUCKET, prefix="用户"))
    assert [item.key for item in listed.contents or []] == [KEY]
    link = client.presign(sdk.GetObjectRequest(bucket=BUCKET, key=KEY), expires=timedelta(minutes=1))
    assert requests.get(str(link.url), timeout=10).content == b"content"
    client.delete_object(sdk.DeleteObjectRequest(bucket=BUCKET, key=KEY))
    assert oss_server.bucket.objects == {}
    assert {request.status for request in oss_server.requests} <= {200, 204}


@pytest.mark.parametrize("signature", ["v4", "v1"])
def test_the_other_sdk_copies_and_links(oss_server: OssServer, signature: str):
    config = sdk.config.load_default()
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider(KEY_ID, SECRET)
    config.region, config.endpoint, config.signature_version = REGION, f"http://127.0.0.1:{oss_server.port}", signature
    client = sdk.Client(config)
    client.put_object(
        sdk.PutObjectRequest(
            bucket=BUCKET, key=KEY, body=b"content" * 30_000, content_type="a/b", metadata={"table": "t"}
        )
    )
    copied = client.copy_object(sdk.CopyObjectRequest(bucket=BUCKET, key="copy", source_key=KEY))
    assert copied.etag == f'"{oss_server.bucket.objects[KEY].etag}"'
    assert oss_server.bucket.objects["copy"].headers == {"content-type": "a/b", "x-oss-meta-table": "t"}
    replaced = sdk.CopyObjectRequest(
        bucket=BUCKET, key="copy", source_key=KEY, metadata_directive="REPLACE", content_type="c/d"
    )
    client.copy_object(replaced)
    assert oss_server.bucket.objects["copy"].headers == {"content-type": "c/d"}
    upload = client.initiate_multipart_upload(sdk.InitiateMultipartUploadRequest(bucket=BUCKET, key="parts")).upload_id
    spans = ["bytes=0-104999", "bytes=105000-209999"]
    parts = [
        sdk.UploadPart(
            part_number=number,
            etag=client.upload_part_copy(
                sdk.UploadPartCopyRequest(
                    bucket=BUCKET, key="parts", source_key=KEY, part_number=number, upload_id=upload, source_range=span
                )
            ).etag,
        )
        for number, span in enumerate(spans, 1)
    ]
    client.complete_multipart_upload(
        sdk.CompleteMultipartUploadRequest(
            bucket=BUCKET,
            key="parts",
            upload_id=upload,
            complete_multipart_upload=sdk.CompleteMultipartUpload(parts=parts),
        )
    )
    assert oss_server.bucket.objects["parts"].data == b"content" * 30_000
    client.put_symlink(sdk.PutSymlinkRequest(bucket=BUCKET, key="link", symlink_target=quote(KEY, safe="")))
    assert unquote(str(client.get_symlink(sdk.GetSymlinkRequest(bucket=BUCKET, key="link")).target)) == KEY
    got = client.get_object(sdk.GetObjectRequest(bucket=BUCKET, key="link"))
    assert got.body is not None
    assert got.body.content == b"content" * 30_000
    assert client.head_object(sdk.HeadObjectRequest(bucket=BUCKET, key="link")).object_type == "Symlink"
    listed = client.list_objects_v2(sdk.ListObjectsV2Request(bucket=BUCKET, prefix="link"))
    assert [(item.key, item.object_type) for item in listed.contents or []] == [("link", "Symlink")]
    assert {request.status for request in oss_server.requests} == {200}


def code_of(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        call()
    return caught.value.status, caught.value.code


@pytest.mark.parametrize("auth", [oss2.AuthV4(KEY_ID, SECRET), oss2.Auth(KEY_ID, SECRET)])
def test_oss2_copies_and_links_and_is_refused_what_oss_refuses(oss_server: OssServer, auth: object):
    plain = bucket(oss_server, auth)
    plain.put_object(KEY, b"x" * 200_000, headers={"Content-Type": "a/b"})
    plain.copy_object(BUCKET, KEY, "copy")
    plain.put_symlink(KEY, "link", headers={"Content-Type": "c/d"})
    assert plain.get_symlink("link").target_key == KEY
    head = plain.head_object("link")
    file = plain.head_object(KEY)
    assert (head.content_length, head.etag, head.content_type) == (200_000, file.etag, "c/d")
    assert (head.object_type, file.object_type) == ("Symlink", "Normal")
    plain.copy_object(BUCKET, "link", "copied link")
    assert plain.get_symlink("copied link").target_key == KEY
    # What the copy of an object of the same name would otherwise have become: an empty object.
    assert plain.get_object("copy").read() == b"x" * 200_000
    upload = plain.init_multipart_upload("parts").upload_id
    secret = {"x-oss-server-side-encryption": "AES256"}
    plain.put_symlink("link", "second")
    plain.put_symlink("missing", "nowhere")
    assert [
        code_of(call)
        for call in (
            lambda: plain.copy_object(BUCKET, "missing", "copy"),
            lambda: plain.copy_object("another-bucket", KEY, "copy"),
            lambda: plain.copy_object(BUCKET, KEY, "copy", headers={"x-oss-metadata-directive": "BOTH"}),
            lambda: plain.copy_object(BUCKET, KEY, "copy", headers={"x-oss-copy-source-if-match": "0"}),
            lambda: plain.copy_object(BUCKET, KEY, "copy", headers={"x-oss-forbid-overwrite": "true"}),
            lambda: plain.upload_part_copy(BUCKET, "link", None, "parts", upload, 1),
            lambda: plain.upload_part_copy(BUCKET, KEY, (0, 200_000), "parts", upload, 1),
            lambda: plain.upload_part_copy(BUCKET, "missing", None, "parts", upload, 1),
            lambda: plain.upload_part_copy(BUCKET, KEY, None, "parts", "0" * 32, 1),
            lambda: plain.put_symlink(KEY, "link", headers=secret),
            lambda: plain.put_symlink("", "link"),
            lambda: plain.put_symlink(KEY, "link", headers={"x-oss-forbid-overwrite": "true"}),
            lambda: plain.get_symlink("missing"),
            lambda: plain.get_symlink(KEY),
            lambda: plain.get_object("nowhere"),
            lambda: plain.head_object("nowhere"),
            lambda: plain.get_object("second"),
        )
    ] == [
        (404, "NoSuchKey"),
        (404, "NoSuchBucket"),
        (400, "InvalidArgument"),
        (412, "PreconditionFailed"),
        (409, "FileAlreadyExists"),
        (400, "InvalidTargetType"),
        (400, "InvalidArgument"),
        (404, "NoSuchKey"),
        (404, "NoSuchUpload"),
        (400, "InvalidArgument"),
        (400, "InvalidArgument"),
        (409, "FileAlreadyExists"),
        (404, "NoSuchKey"),
        (400, "NotSymlink"),
        (404, "SymlinkTargetNotExist"),
        (404, "SymlinkTargetNotExist"),
        (400, "InvalidTargetType"),
    ]


def refused(response: requests.Response) -> tuple[int, str | None]:
    return response.status_code, ET.fromstring(response.content).findtext("Code")  # noqa: S314  our own server's


def test_who_does_not_sign_or_changes_what_was_signed_is_refused(oss_server: OssServer):
    store = OssStore(oss_server.options())
    store.put("a", b"x", media_type="a/b")
    link = store.link("a", 60)
    assert link is not None
    plain = link.partition("?")[0]
    assert refused(requests.get(plain, timeout=10)) == (403, "AccessDenied")
    assert refused(requests.get(link.replace("/a?", "/b?"), timeout=10)) == (403, "SignatureDoesNotMatch")
    assert refused(requests.put(link, data=b"y", timeout=10)) == (403, "SignatureDoesNotMatch")
    assert refused(requests.get(link.replace("x-oss-expires=60", "x-oss-expires=600"), timeout=10)) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert refused(requests.get(link.replace("x-oss-expires=60", "x-oss-expires=604801"), timeout=10)) == (
        400,
        "AuthorizationQueryParametersError",
    )


def test_a_header_that_oss_signs_cannot_be_changed_on_the_way(oss_server: OssServer, monkeypatch: pytest.MonkeyPatch):
    send = requests.adapters.HTTPAdapter.send

    def meddle(adapter, request, **options: Any):
        request.headers["x-oss-object-acl"] = "public-read"
        return send(adapter, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", meddle)
    for auth in (oss2.AuthV4(KEY_ID, SECRET), oss2.Auth(KEY_ID, SECRET)):
        with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
            bucket(oss_server, auth).put_object("a", b"x")


def test_limits_of_names_parts_and_digests_are_those_of_oss(oss_server: OssServer, tmp_path: Path):
    plain = bucket(oss_server)
    with pytest.raises(oss2.exceptions.InvalidObjectName):
        plain.put_object("x" * 1024, b"")
    with pytest.raises(oss2.exceptions.InvalidDigest):
        plain.put_object(
            "a",
            b"x",
            headers={"Content-MD5": base64.b64encode(hashlib.md5(b"y", usedforsecurity=False).digest()).decode()},
        )
    upload = plain.init_multipart_upload("a").upload_id
    with pytest.raises(oss2.exceptions.InvalidArgument):
        plain.upload_part("a", upload, 10_001, b"x")
    parts = [oss2.models.PartInfo(n, plain.upload_part("a", upload, n, b"small").etag) for n in (1, 2)]
    with pytest.raises(oss2.exceptions.ServerError) as small:
        plain.complete_multipart_upload("a", upload, parts)
    assert small.value.code == "EntityTooSmall"
    with pytest.raises(oss2.exceptions.ServerError) as wrong:
        plain.complete_multipart_upload("a", upload, [oss2.models.PartInfo(1, "0" * 32)])
    assert wrong.value.code == "InvalidPart"
    plain.abort_multipart_upload("a", upload)
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        plain.list_parts("a", upload)


def test_forbid_overwrite_and_if_match_hold(oss_server: OssServer):
    plain = bucket(oss_server)
    plain.put_object("a", b"x", headers={"x-oss-forbid-overwrite": "true"})
    with pytest.raises(oss2.exceptions.ServerError) as conflict:
        plain.put_object("a", b"y", headers={"x-oss-forbid-overwrite": "true"})
    assert (conflict.value.status, conflict.value.code) == (409, "FileAlreadyExists")
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        plain.get_object("a", headers={"If-Match": '"0"'})


def test_a_head_explains_itself_in_a_header(oss_server: OssServer):
    with pytest.raises(oss2.exceptions.NotFound) as caught:
        bucket(oss_server).head_object("missing")
    assert caught.value.code == "NoSuchKey"
