"""CopyObject, UploadPartCopy, PutSymlink and GetSymlink, as OSS documents them."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from aggregation_pipeline_tests.support.servers.oss.bucket import Bucket, Content
from aggregation_pipeline_tests.support.servers.oss.errors import OssRefusalError

# Of a copy these come from its own request; the rest is the source's unless `x-oss-metadata-directive` says REPLACE.
_OWN = {
    "x-oss-object-acl",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-storage-class",
}
_CONDITION = "x-oss-copy-source-if-match"


def copy(bucket: Bucket, key: str, headers: Mapping[str, str]) -> Content:
    """Copy an object; a symlink is copied as a symlink."""
    source = _source(bucket, headers, {"x-oss-copy-source", _CONDITION})
    directive = headers.get("x-oss-metadata-directive", "COPY")
    if directive not in {"COPY", "REPLACE"}:
        raise OssRefusalError(
            400, "InvalidArgument", "The x-oss-metadata-directive is invalid.", {"ArgumentValue": directive}
        )
    converted = headers.get("x-oss-storage-class", "Standard") != source.headers.get("x-oss-storage-class", "Standard")
    if len(source.data) > bucket.largest_copy and converted:
        raise OssRefusalError(
            400, "EntityTooLarge", "The object to copy is too large for a change of its storage class."
        )
    kept = {name: value for name, value in source.headers.items() if name not in _OWN} if directive == "COPY" else {}
    given = {
        name: value
        for name, value in headers.items()
        if directive == "REPLACE" or name in _OWN or name == "x-oss-forbid-overwrite"
    }
    return bucket.put(key, source.data, {**kept, **given}, link=source.link)


def copy_part(bucket: Bucket, key: str, upload_id: str, number: int, headers: Mapping[str, str]) -> Content:
    source = _source(bucket, headers, {"x-oss-copy-source", "x-oss-copy-source-range", _CONDITION})
    if source.link:
        raise OssRefusalError(
            400, "InvalidTargetType", "The source of UploadPartCopy must not be a symlink.", {"EC": "0042-00000308"}
        )
    data = source.data
    if span := headers.get("x-oss-copy-source-range"):
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", span)
        if not match or not int(match[1]) <= int(match[2]) < len(data):
            raise OssRefusalError(
                400, "InvalidArgument", "The x-oss-copy-source-range is outside of the source object."
            )
        data = data[int(match[1]) : int(match[2]) + 1]
    return bucket.put_part(key, upload_id, number, data)


def put_symlink(bucket: Bucket, key: str, headers: Mapping[str, str]) -> Content:
    """Store a symlink. OSS does not look at its target; only whoever reads the link finds out."""
    target = unquote(headers.get("x-oss-symlink-target", ""))
    if not target:
        raise OssRefusalError(
            400, "InvalidArgument", "The x-oss-symlink-target header is missing.", {"EC": "0043-00000001"}
        )
    if any(name.startswith("x-oss-server-side-encryption") for name in headers):
        raise OssRefusalError(400, "InvalidArgument", "A symlink takes no x-oss-server-side-encryption.")
    return bucket.put(key, b"", headers, link=target)


def symlink_of(bucket: Bucket, key: str) -> Content:
    found = bucket.get(key)
    if not found.link:
        raise OssRefusalError(400, "NotSymlink", "The object is not a symlink.", {"EC": "0043-00000101"})
    return found


def followed(bucket: Bucket, content: Content) -> Content:
    """Return the content that a reader of `content` gets: of a symlink, its target's."""
    if not content.link:
        return content
    target = bucket.objects.get(content.link)
    if target is None:
        raise OssRefusalError(
            404, "SymlinkTargetNotExist", "The symlink target object does not exist.", {"EC": "0026-00000012"}
        )
    if target.link:
        raise OssRefusalError(400, "InvalidTargetType", "The symlink's target must not be a symlink.")
    return target


def _source(bucket: Bucket, headers: Mapping[str, str], known: set[str]) -> Content:
    if strange := [name for name in headers if name.startswith("x-oss-copy-source") and name not in known]:
        raise OssRefusalError(400, "InvalidArgument", f"This server does not know {strange[0]}.")
    name, slash, key = unquote(headers["x-oss-copy-source"].partition("?")[0]).removeprefix("/").partition("/")
    if not headers["x-oss-copy-source"].startswith("/") or not slash or not key:
        raise OssRefusalError(
            400, "InvalidArgument", "The x-oss-copy-source has to be /bucket/object.", {"EC": "0042-00000301"}
        )
    if name != bucket.name:
        raise OssRefusalError(404, "NoSuchBucket", "The specified bucket does not exist.", {"BucketName": name})
    found = bucket.get(key)
    if (wanted := headers.get(_CONDITION)) and wanted.strip('"') != found.etag:
        raise OssRefusalError(
            412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold."
        )
    return found
