"""Alibaba Cloud OSS as an object store, through oss2, made to survive bad days of the network.

oss2 never retries, notices a wrong checksum only after the object is stored, and trusts a server that sends none. So
every checksum is ours, every reply must carry one, and an upload whose reply was lost is recognised by what is in the
bucket.
"""

import io
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aggregation_pipeline.errors import PipelineError, StorageBusyError, StorageError, StorageMissingError
from aggregation_pipeline.storage.base import NO_METADATA, StoredObject, checked_source
from aggregation_pipeline.storage.content_disposition import content_disposition
from aggregation_pipeline.storage.crc64 import crc64, crc64_of_file
from aggregation_pipeline.storage.keys import check_key
from aggregation_pipeline.storage.oss.clock import seconds_ahead
from aggregation_pipeline.storage.oss.connection import CRC_HEADER, Connection
from aggregation_pipeline.storage.oss.copies_and_links import copy_object, put_symlink
from aggregation_pipeline.storage.oss.download import download
from aggregation_pipeline.storage.oss.lifecycle import lifecycle_warning
from aggregation_pipeline.storage.oss.multipart import content_md5, upload_parts
from aggregation_pipeline.storage.oss.options import OssOptions
from aggregation_pipeline.storage.oss.upload_records import abort_recorded_uploads, abort_upload
from aggregation_pipeline.storage.partial_download import partial_download

__all__ = ["OssOptions", "OssStore"]

_LONGEST_LINK = {"v4": 7 * 24 * 3600, "v1": 10 * 365 * 24 * 3600}


class OssStore:
    """Objects in one bucket. Nothing is asked of OSS before the first call."""

    def __init__(self, options: OssOptions) -> None:
        self.options = options
        self._connection = Connection(options)
        self._leftovers_aborted = False

    def __repr__(self) -> str:
        return f"OssStore({self.options.bucket!r} at {self.options.host})"

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] = NO_METADATA,
        filename: str | None = None,
        final: bool = False,
    ) -> StoredObject:
        """Send up to `multipart_above` bytes in one request (and in memory), more in parallel parts.

        OSS refuses content that does not have the MD5 sent with it, so nothing damaged is ever stored. The checksum
        that it states afterwards is compared anyway. Where they differ nothing is deleted: the object may be
        another run's by then.
        """
        del final  # a file here never becomes one there
        check_key(key)
        source = checked_source(source)
        self._abort_leftovers_once()
        size, checksum = (len(source), str(crc64(source))) if isinstance(source, bytes) else crc64_of_file(source)
        wanted = StoredObject(key, size, checksum)
        headers = self._headers(media_type, metadata, filename)
        if isinstance(source, Path) and size > self.options.multipart_above:
            stated = upload_parts(self._connection, source, wanted, headers)
        else:
            stated = self._put_in_one_request(
                source if isinstance(source, bytes) else source.read_bytes(), wanted, headers
            )
        if stated != checksum:
            cause = (
                f"OSS states CRC64 {stated}"
                if stated
                else "the reply carries no CRC64 (x-oss-hash-crc64ecma), which a proxy may have removed"
            )
            raise StorageError(f"{self.uri(key)} cannot be verified: {cause}, the file has {checksum}. Do not use it.")
        return wanted

    def copy(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """Copy with CopyObject, or UploadPartCopy above 1 GB, verified by a HEAD; all headers are as in `put`."""
        self._abort_leftovers_once()
        headers = self._headers(media_type, NO_METADATA, filename)
        return copy_object(self._connection, check_key(source_key), check_key(target_key), headers, known)

    def symlink(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """Link with PutSymlink, with a type, a name and an ACL of its own.

        It is of class Standard and without encryption, because it holds no more than a key.
        """
        headers = self._headers(media_type, NO_METADATA, filename)
        own = {name: value for name, value in headers.items() if not name.startswith("x-oss-server-side-encryption")}
        own["x-oss-storage-class"] = "Standard"
        return put_symlink(self._connection, check_key(source_key), check_key(target_key), own, known)

    def get(self, key: str, target: Path) -> StoredObject:
        """Stream to a hidden file beside `target`, which is renamed when size and CRC64 agree.

        After a broken connection the download goes on where it stopped.
        """
        check_key(key)
        with partial_download(target) as file:
            return download(self._connection, key, file)

    def read(self, key: str) -> bytes:
        """Return the verified content, in memory: for manifests and the like."""
        buffer = io.BytesIO()
        download(self._connection, check_key(key), buffer)
        return buffer.getvalue()

    def head(self, key: str) -> StoredObject | None:
        """Ask OSS. `crc64` is None for objects without a checksum (very old or appended ones)."""
        check_key(key)
        return self._connection.with_retries(f"look at {key!r}", lambda: self._connection.find_object(key))

    def delete(self, key: str) -> None:
        """Delete the object; OSS answers the same whether it was there or not."""
        check_key(key)
        self._connection.with_retries(f"delete {key!r}", lambda: self._connection.bucket.delete_object(key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield objects in pages of 1,000, fetched as they are needed."""
        if prefix:
            check_key(prefix.removesuffix("/"))
        token, more = "", True
        while more:
            page = self._connection.with_retries(
                f"list {prefix!r}",
                partial(self._connection.bucket.list_objects_v2, prefix, continuation_token=token, max_keys=1000),
            )
            for item in page.object_list:
                if not item.key.endswith("/"):  # empty objects by which consoles show folders
                    yield StoredObject(item.key, item.size, None, datetime.fromtimestamp(item.last_modified, UTC))
            token, more = page.next_continuation_token, page.is_truncated

    def local_folder(self) -> None:
        """Return None: the objects are in the bucket."""

    def uri(self, key: str) -> str:
        """Return `oss://bucket/key`, the key as it is."""
        return f"oss://{self.options.bucket}/{check_key(key)}"

    def page(self, key: str) -> str | None:
        """Return the page of OSS's console for the object's folder; None where the region is not known."""
        folder = check_key(key).rpartition("/")[0]
        if not self.options.region:
            return None
        address = f"https://oss.console.aliyun.com/bucket/oss-{self.options.region}/{self.options.bucket}/object"
        return f"{address}?path={quote(folder + '/', safe='')}" if folder else address

    def lifecycle_warning(self, prefix: str) -> str | None:
        """Return a warning where no rule of the bucket removes parts of abandoned uploads below `prefix`, else None."""
        return lifecycle_warning(self._connection, prefix)

    def link(self, key: str, seconds: int) -> str | None:
        """Sign a link, without asking OSS.

        Links of signature version 4 live seven days at most. None outlives the temporary key that signed it.

        Raises:
            StorageError: `seconds` is out of range.
        """
        check_key(key)
        longest = _LONGEST_LINK[self.options.signature]
        if not 0 < seconds <= longest:
            raise StorageError(f"A download link lives between 1 and {longest} seconds, not {seconds}.")
        signed = self._connection.without_retries(
            f"sign a link to {key!r}",
            lambda: self._connection.link_bucket.sign_url("GET", key, seconds, slash_safe=True),
        )
        return str(signed)

    def prove_writable(self, prefix: str, *, abortable: bool = False) -> None:
        """Begin an upload and abort it: that takes the same right as a whole one, and no object appears.

        Raises:
            StorageError: it could not be begun; with `abortable`, also if it could not be aborted.
        """
        key = "/".join([*([prefix] if prefix else []), f"_plan_{secrets.token_hex(4)}"])
        headers = self._headers("application/octet-stream", NO_METADATA, None)
        begin = partial(self._connection.bucket.init_multipart_upload, check_key(key), headers=headers)
        begun = self._connection.with_retries(f"begin the upload of {key!r}", begin)
        # A key that may not abort can still publish, and an upload without parts costs nothing.
        with suppress(*([] if abortable else [PipelineError])):
            abort_upload(self._connection, key, begun.upload_id)

    def prove_parts_listable(self, prefix: str) -> None:
        """Begin an upload, list its parts, of which there is none, and abort it. No run needs this.

        Raises:
            StorageError: they could not be listed.
        """
        key = check_key("/".join([*([prefix] if prefix else []), f"_plan_{secrets.token_hex(4)}"]))
        bucket = self._connection.bucket
        begun = self._connection.with_retries(f"begin the upload of {key!r}", lambda: bucket.init_multipart_upload(key))
        try:
            self._connection.with_retries(
                f"inspect the upload of {key!r}", lambda: bucket.list_parts(key, begun.upload_id)
            )
        finally:
            with suppress(PipelineError):
                abort_upload(self._connection, key, begun.upload_id)

    def prove_readable(self, prefix: str) -> None:
        """Ask once for an object that is never there: that it is not found proves endpoint, bucket and key.

        A HEAD would not do. Its answer has no body, which says whether the object or the bucket is not there.

        Raises:
            StorageError: no object could be read; StorageBusyError where that may pass.
        """
        key = check_key("/".join([*([prefix] if prefix else []), "_never_stored"]))
        with suppress(StorageMissingError):
            self._connection.without_retries(f"read {key!r}", lambda: self._connection.bucket.get_object(key))

    def clock_skew(self, prefix: str) -> float | None:
        """Return how many seconds this machine's clock is ahead of that of OSS; None if its reply has no date."""
        key = check_key("/".join([*([prefix] if prefix else []), "_never_stored"]))
        return seconds_ahead(self._connection, key)

    def _abort_leftovers_once(self) -> None:
        """Before the first object is sent, abort the uploads that killed runs left."""
        if not self._leftovers_aborted:
            self._leftovers_aborted = True
            abort_recorded_uploads(self._connection)

    def _put_in_one_request(self, data: bytes, wanted: StoredObject, headers: Mapping[str, str]) -> str | None:
        tries, whole = 0, {**headers, "Content-MD5": content_md5(data)}

        def send() -> str | None:
            nonlocal tries
            tries += 1
            if tries > 1 and self._connection.holds(wanted):  # only the reply was lost
                return wanted.crc64
            stated = self._connection.bucket.put_object(wanted.key, data, headers=whole).headers.get(CRC_HEADER)
            return str(stated) if stated else None

        try:
            return self._connection.with_retries(f"store {wanted.key!r}", send)
        except StorageBusyError:
            with suppress(PipelineError):  # perhaps only the last reply was lost
                if self._connection.holds(wanted):
                    return wanted.crc64
            raise

    def _headers(self, media_type: str, metadata: Mapping[str, str], filename: str | None) -> dict[str, str]:
        options = self.options
        # HTTP headers are ASCII, while tables may have any names.
        headers = {"Content-Type": media_type} | {
            f"x-oss-meta-{name}": quote(value, safe="") for name, value in metadata.items()
        }
        if filename is not None:
            headers["Content-Disposition"] = content_disposition(filename)
        if options.acl == "private":  # even where the bucket is public
            headers["x-oss-object-acl"] = "private"
        if options.encryption:
            headers["x-oss-server-side-encryption"] = options.encryption
        if options.encryption_key_id:
            headers["x-oss-server-side-encryption-key-id"] = options.encryption_key_id
        if options.storage_class:
            headers["x-oss-storage-class"] = options.storage_class
        return headers
