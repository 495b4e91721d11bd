"""Streaming downloads that go on where a connection broke, and succeed only when the checksum agrees."""

from typing import IO

import oss2

from aggregation_pipeline.errors import StorageBusyError, StorageDamagedError, StorageError
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.crc64 import CHUNK, crc64
from aggregation_pipeline.storage.oss.connection import CRC_HEADER, SYMLINK, TYPE_HEADER, Connection

_REPLACED = {412, 416}  # If-Match failed, or the new object is shorter than what we have


def download(connection: Connection, key: str, file: IO[bytes]) -> StoredObject:
    """Write the object into the empty `file`.

    Raises:
        StorageMissingError: there is no such object.
        StorageDamagedError: it never arrives with the checksum that OSS states.
        StorageError: OSS states no checksum, or refuses.
    """
    return connection.with_retries(f"read {key!r}", _Download(connection, key, file).fetch)


class _Download:
    """One download over several requests: what has arrived, and of which object."""

    def __init__(self, connection: Connection, key: str, file: IO[bytes]) -> None:
        self._connection, self._key, self._file = connection, key, file
        # Where the content is read: the key itself, or the file that a symlink points to.
        self._source_key = key
        self._checksum, self._etag, self._mismatched = 0, "", False

    def fetch(self) -> StoredObject:
        """Request what is missing, and compare the whole. Raises StorageBusyError where another try may help."""
        arrived_before = self._file.tell()
        reply = self._request(arrived_before)
        try:
            if arrived_before and reply.status != 206:  # something between us and OSS ignores ranges
                self._start_over()
            self._etag = reply.headers.get("etag", "")
            while chunk := reply.read(CHUNK):
                self._file.write(chunk)
                self._checksum = crc64(chunk, self._checksum)
        finally:
            reply.close()
        stated, size, arrived = reply.headers.get(CRC_HEADER), self._file.tell(), str(self._checksum)
        if stated == arrived:
            return StoredObject(self._key, size, arrived)
        self._start_over()
        raise self._mismatch(stated, size, arrived)

    def _request(self, arrived_before: int) -> "oss2.models.GetObjectResult":
        bucket = self._connection.bucket
        byte_range, headers = ((arrived_before, None), {"If-Match": self._etag}) if arrived_before else (None, {})
        try:
            reply = bucket.get_object(self._source_key, byte_range=byte_range, headers=headers)
        except oss2.exceptions.ServerError as error:
            if error.status not in _REPLACED:
                raise
            self._start_over()
            reply = bucket.get_object(self._source_key)
        if reply.headers.get(TYPE_HEADER) == SYMLINK:
            # OSS does not say whose checksum it states for a symlink, and the link may move meanwhile. So its file is
            # read instead.
            reply.close()
            self._source_key = bucket.get_symlink(self._key).target_key
            reply = bucket.get_object(self._source_key)
        return reply

    def _start_over(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._checksum = 0

    def _mismatch(self, stated: str | None, size: int, arrived: str) -> StorageError:
        """Make the error for a wrong or missing checksum; the first wrong one may be an accident of the network."""
        address = f"oss://{self._connection.options.bucket}/{self._key}"
        if stated is None:
            cause = "the reply carries no CRC64 (x-oss-hash-crc64ecma)"
        else:
            cause = f"OSS states CRC64 {stated}, {size} bytes with {arrived} arrived"
        message = f"{address} cannot be verified: {cause}."
        remedy = "The object is damaged, or a proxy between changes what passes through it."
        if stated is None:
            return StorageError(f"{message} {remedy}")
        if self._mismatched:
            return StorageDamagedError(f"{message} {remedy}")
        self._mismatched = True
        return StorageBusyError(message)
