"""OSS's operations on one bucket: a verified call gives an answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from aggregation_pipeline_tests.support.servers.oss import copying
from aggregation_pipeline_tests.support.servers.oss.bucket import Bucket, Content
from aggregation_pipeline_tests.support.servers.oss.errors import OssRefusalError


@dataclass(frozen=True)
class Call:
    method: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bytes = b""  # of a range, the content that it is cut from


def answer(bucket: Bucket, call: Call) -> Answer:
    query = {
        name
        for name in call.query
        if not name.startswith("x-oss-") and name not in {"OSSAccessKeyId", "Expires", "Signature", "security-token"}
    }
    known: dict[tuple[str, bool, frozenset[str]], Callable[[Bucket, Call], Answer]] = {
        ("PUT", True, frozenset()): _put,
        ("PUT", True, frozenset({"partNumber", "uploadId"})): _put_part,
        ("PUT", True, frozenset({"symlink"})): _put_symlink,
        ("GET", True, frozenset({"symlink"})): _get_symlink,
        ("GET", True, frozenset()): _get,
        ("HEAD", True, frozenset()): _get,
        ("DELETE", True, frozenset()): _delete,
        ("POST", True, frozenset({"uploads"})): _begin,
        ("POST", True, frozenset({"uploadId"})): _complete,
        ("DELETE", True, frozenset({"uploadId"})): _abort,
        ("GET", True, frozenset({"uploadId"})): _list_parts,
        ("GET", False, frozenset({"list-type"})): _list,
        ("GET", False, frozenset({"lifecycle"})): _lifecycle,
    }
    optional = {
        "part-number-marker",
        "max-parts",
        "prefix",
        "delimiter",
        "continuation-token",
        "start-after",
        "fetch-owner",
        "max-keys",
        "encoding-type",
    }
    operation = known.get((call.method, bool(call.key), frozenset(query - optional)))
    if operation is None:
        raise OssRefusalError(400, "InvalidArgument", f"This server does not know {call.method} with {sorted(query)}.")
    return operation(bucket, call)


def _put(bucket: Bucket, call: Call) -> Answer:
    if "x-oss-copy-source" in call.headers:
        return _copied("CopyObjectResult", copying.copy(bucket, call.key, call.headers))
    content = bucket.put(call.key, call.body, call.headers)
    return Answer(headers=_sums(content))


def _put_symlink(bucket: Bucket, call: Call) -> Answer:
    return Answer(headers={"ETag": f'"{copying.put_symlink(bucket, call.key, call.headers).etag}"'})


def _get_symlink(bucket: Bucket, call: Call) -> Answer:
    found = copying.symlink_of(bucket, call.key)
    return Answer(
        headers={
            "x-oss-symlink-target": quote(found.link, safe=""),
            "ETag": f'"{found.etag}"',
            "Last-Modified": _http_date(found.modified),
        }
    )


def _get(bucket: Bucket, call: Call) -> Answer:
    named = bucket.get(call.key)
    content = copying.followed(bucket, named)
    if (wanted := call.headers.get("if-match")) and wanted.strip('"') != content.etag:
        raise OssRefusalError(
            412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold."
        )
    headers = {
        **named.headers,
        **_sums(content),
        "Last-Modified": _http_date(max(named.modified, content.modified)),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": _type(named),
    }
    if named.link:
        headers["x-oss-storage-class"] = content.headers.get("x-oss-storage-class", "Standard")
        if bucket.crc_of_symlinks == "none":
            del headers["x-oss-hash-crc64ecma"]
        elif bucket.crc_of_symlinks == "own":
            headers["x-oss-hash-crc64ecma"] = named.crc64
    data = content.data
    if match := re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("range", "")):
        first, last = int(match[1]), int(match[2] or len(data) - 1)
        if first < len(data):  # OSS answers a range outside of the object with all of it
            last = min(last, len(data) - 1)
            return Answer(
                206, {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1], data
            )
    return Answer(200, {**headers, "Content-Length": str(len(data))} if call.method == "HEAD" else headers, data)


def _delete(bucket: Bucket, call: Call) -> Answer:
    bucket.delete(call.key)
    return Answer(204)


def _begin(bucket: Bucket, call: Call) -> Answer:
    upload_id = bucket.begin(call.key, call.headers)
    return _xml(
        f"<InitiateMultipartUploadResult><Bucket>{bucket.name}</Bucket><Key>{escape(call.key)}</Key><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
    )


def _put_part(bucket: Bucket, call: Call) -> Answer:
    upload_id, number = call.query["uploadId"], int(call.query["partNumber"])
    if "x-oss-copy-source" in call.headers:
        return _copied("CopyPartResult", copying.copy_part(bucket, call.key, upload_id, number, call.headers))
    return Answer(headers=_sums(bucket.put_part(call.key, upload_id, number, call.body)))


def _copied(element: str, content: Content) -> Answer:
    """Answer a copy. OSS documents no checksum in its headers."""
    reply = _xml(
        f"<{element}><LastModified>{_iso(content.modified)}</LastModified><ETag>&quot;{content.etag}&quot;</ETag></{element}>"
    )
    return Answer(200, {**reply.headers, "ETag": f'"{content.etag}"'}, reply.body)


def _complete(bucket: Bucket, call: Call) -> Answer:
    parts = [
        (int(part.findtext("PartNumber", "0")), part.findtext("ETag", ""))
        for part in ET.fromstring(call.body).findall("Part")  # noqa: S314 - our own client's
    ]
    content = bucket.complete(call.key, call.query["uploadId"], parts)
    reply = _xml(
        f"<CompleteMultipartUploadResult><Bucket>{bucket.name}</Bucket><Key>{escape(call.key)}</Key><ETag>{content.etag}</ETag></CompleteMultipartUploadResult>"
    )
    return Answer(200, {**reply.headers, **_sums(content)}, reply.body)


def _abort(bucket: Bucket, call: Call) -> Answer:
    bucket.abort(call.key, call.query["uploadId"])
    return Answer(204)


def _list_parts(bucket: Bucket, call: Call) -> Answer:
    upload = bucket.upload(call.key, call.query["uploadId"])
    marker, limit = int(call.query.get("part-number-marker") or 0), int(call.query.get("max-parts") or 1000)
    rest = [(number, part) for number, part in sorted(upload.parts.items()) if number > marker]
    shown = rest[:limit]
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><LastModified>{_iso(part.modified)}</LastModified><ETag>&quot;{part.etag}&quot;</ETag>"
        f"<HashCrc64ecma>{part.crc64}</HashCrc64ecma><Size>{len(part.data)}</Size></Part>"
        for number, part in shown
    )
    more = "true" if len(rest) > limit else "false"
    return _xml(
        f"<ListPartsResult><Bucket>{bucket.name}</Bucket><Key>{escape(call.key)}</Key><UploadId>{call.query['uploadId']}</UploadId>"
        f"<NextPartNumberMarker>{shown[-1][0] if shown else 0}</NextPartNumberMarker>"
        f"<MaxParts>{limit}</MaxParts><IsTruncated>{more}</IsTruncated>{parts}</ListPartsResult>"
    )


def _list(bucket: Bucket, call: Call) -> Answer:
    query = call.query
    if query["list-type"] != "2" or query.get("delimiter"):
        raise OssRefusalError(400, "InvalidArgument", "This server lists by version 2 and without a delimiter.")
    limit = int(query.get("max-keys") or 100)
    if not 1 <= limit <= 1000:
        raise OssRefusalError(400, "InvalidArgument", "max-keys must be between 1 and 1000.")
    name = quote if query.get("encoding-type") == "url" else escape
    shown, more = bucket.page(
        query.get("prefix", ""), query.get("continuation-token") or query.get("start-after", ""), limit
    )
    contents = "".join(
        f"<Contents><Key>{name(key)}</Key><LastModified>{_iso(content.modified)}</LastModified><ETag>&quot;{content.etag}&quot;</ETag>"
        f"<Type>{_type(content)}</Type><Size>{len(content.data)}</Size><StorageClass>Standard</StorageClass></Contents>"
        for key, content in shown
    )
    token = f"<NextContinuationToken>{name(shown[-1][0])}</NextContinuationToken>" if more else ""
    encoding = "<EncodingType>url</EncodingType>" if name is quote else ""
    return _xml(
        f"<ListBucketResult><Name>{bucket.name}</Name><Prefix>{name(query.get('prefix', ''))}</Prefix>"
        f"<MaxKeys>{limit}</MaxKeys><Delimiter></Delimiter>"
        f"{encoding}<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}"
        f"<KeyCount>{len(shown)}</KeyCount>{contents}</ListBucketResult>"
    )


def _lifecycle(bucket: Bucket, _: Call) -> Answer:
    if not bucket.lifecycle:
        raise OssRefusalError(404, "NoSuchLifecycle", "No Row found in Lifecycle Table.", {"BucketName": bucket.name})
    return _xml(f"<LifecycleConfiguration>{bucket.lifecycle}</LifecycleConfiguration>")


def _type(content: Content) -> str:
    return "Symlink" if content.link else "Multipart" if "-" in content.etag else "Normal"


def _sums(content: Content) -> dict[str, str]:
    return {"ETag": f'"{content.etag}"', "x-oss-hash-crc64ecma": content.crc64}


def _xml(document: str) -> Answer:
    return Answer(
        200, {"Content-Type": "application/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode()
    )


def _http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
