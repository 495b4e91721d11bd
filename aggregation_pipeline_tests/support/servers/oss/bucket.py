"""One bucket in memory: objects, multipart uploads, listings, with OSS's limits."""

import hashlib
import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crcmod.crcmod import mkCrcFun

from aggregation_pipeline_tests.support.servers.oss.errors import OssRefusalError

MIN_PART, MAX_PART_NUMBER, MAX_KEY = 100 * 1024, 10_000, 1023
# Without types here, with some there, as mypy happens to read the package.
_crc_of_polynomial: Any = mkCrcFun
_new_crc64 = _crc_of_polynomial(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Content:
    """Bytes as they are stored, with what OSS knows of them. `headers`: what a GET gives back beside the content."""

    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    crc64: str = ""
    modified: float = 0.0
    link: str = ""  # of a symlink, the key that it points to


@dataclass
class Upload:
    key: str
    headers: Mapping[str, str]
    parts: dict[int, Content] = field(default_factory=dict)


class Bucket:
    """All methods may be called from several threads; a content is replaced whole."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, Content] = {}
        self.uploads: dict[str, Upload] = {}
        self.largest_copy = 1 << 30
        # OSS does not say what checksum a reply to a symlink's reader states: that of the target, none, or one of the
        # link itself.
        self.crc_of_symlinks: Literal["target", "none", "own"] = "none"
        self.lifecycle = ""  # <Rule> elements, shown and never acted upon
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    def put(self, key: str, data: bytes, headers: Mapping[str, str], *, link: str = "") -> Content:
        check_key(key)
        with self._lock:
            if headers.get("x-oss-forbid-overwrite") == "true" and key in self.objects:
                raise OssRefusalError(
                    409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
                )
            self.objects[key] = content = replace(make(data, headers), link=link)
            return content

    def get(self, key: str) -> Content:
        with self._lock:
            if key not in self.objects:
                raise OssRefusalError(404, "NoSuchKey", "The specified key does not exist.", {"Key": key})
            return self.objects[key]

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(key, None)

    def page(self, prefix: str, after: str, limit: int) -> tuple[list[tuple[str, Content]], bool]:
        """Objects in the order of their UTF-8 keys, and whether there are more."""
        with self._lock:
            found = sorted(
                ((key, content) for key, content in self.objects.items() if key.startswith(prefix)),
                key=lambda item: item[0].encode(),
            )
        rest = [item for item in found if item[0].encode() > after.encode()]
        return rest[:limit], len(rest) > limit

    def begin(self, key: str, headers: Mapping[str, str]) -> str:
        check_key(key)
        with self._lock:
            upload_id = f"{next(self._ids):032X}"
            self.uploads[upload_id] = Upload(key, dict(headers))
            return upload_id

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> Content:
        if not 1 <= number <= MAX_PART_NUMBER:
            raise OssRefusalError(
                400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive."
            )
        part = make(data, {})
        with self._lock:
            self.upload(key, upload_id).parts[number] = part
        return part

    def upload(self, key: str, upload_id: str) -> Upload:
        with self._lock:
            upload = self.uploads.get(upload_id)
            if upload is None or upload.key != key:
                raise OssRefusalError(
                    404,
                    "NoSuchUpload",
                    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been"
                    " aborted or completed.",
                )
            return upload

    def complete(self, key: str, upload_id: str, parts: list[tuple[int, str]]) -> Content:
        with self._lock:
            upload = self.upload(key, upload_id)
            if not parts or [number for number, _ in parts] != sorted({number for number, _ in parts}):
                raise OssRefusalError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
            for number, etag in parts:
                if number not in upload.parts or upload.parts[number].etag != etag.strip('"'):
                    raise OssRefusalError(
                        400,
                        "InvalidPart",
                        "One or more of the specified parts could not be found or the etag does not match.",
                    )
            chosen = [upload.parts[number] for number, _ in parts]
            if any(len(part.data) < MIN_PART for part in chosen[:-1]):
                raise OssRefusalError(
                    400, "EntityTooSmall", "Your proposed upload smaller than the minimum allowed size."
                )
            whole = make(b"".join(part.data for part in chosen), upload.headers)
            etag = (
                hashlib.md5("".join(part.etag for part in chosen).encode(), usedforsecurity=False).hexdigest().upper()
            )
            self.objects[key] = content = Content(
                whole.data, whole.headers, f"{etag}-{len(chosen)}", whole.crc64, whole.modified
            )
            del self.uploads[upload_id]
            return content

    def abort(self, key: str, upload_id: str) -> None:
        with self._lock:
            self.upload(key, upload_id)
            del self.uploads[upload_id]


def make(data: bytes, headers: Mapping[str, str]) -> Content:
    kept = {name: value for name, value in headers.items() if name in _KEPT or name.startswith("x-oss-meta-")}
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
    return Content(data, kept, etag, str(_new_crc64(data)), time.time())


def check_key(key: str) -> None:
    if not key or len(key.encode()) > MAX_KEY or key[0] in "/\\":
        raise OssRefusalError(400, "InvalidObjectName", "The specified object is not valid.")


_KEPT = {
    "content-type",
    "content-disposition",
    "cache-control",
    "content-encoding",
    "x-oss-object-acl",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-storage-class",
}
