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
    place, value, etag, mismatched = key, 0, "", False

    def start_over() -> None:
        nonlocal value
        file.seek(0)
        file.truncate()
        value = 0

    def fetch() -> StoredObject:
        nonlocal place, value, etag, mismatched
        done = file.tell()
        try:
            reply = connection.bucket.get_object(
                place, byte_range=(done, None) if done else None, headers={"If-Match": etag} if done else {}
            )
        except oss2.exceptions.ServerError as error:
            if error.status not in _REPLACED:
                raise
            start_over()
            reply = connection.bucket.get_object(place)
        if reply.headers.get(TYPE_HEADER) == SYMLINK:
            # OSS does not say whose checksum it states for a symlink, and the link may move meanwhile. So its file is
            # read instead.
            reply.close()
            place = connection.bucket.get_symlink(key).target_key
            reply = connection.bucket.get_object(place)
        try:
            if done and reply.status != 206:  # something between us and OSS ignores ranges
                start_over()
            etag = reply.headers.get("etag", "")
            while chunk := reply.read(CHUNK):
                file.write(chunk)
                value = crc64(chunk, value)
        finally:
            reply.close()
        stated, size, arrived = reply.headers.get(CRC_HEADER), file.tell(), str(value)
        if stated == arrived:
            return StoredObject(key, size, arrived)
        start_over()
        cause = (
            f"OSS states CRC64 {stated}, {size} bytes with {arrived} arrived"
            if stated
            else "the reply carries no CRC64 (x-oss-hash-crc64ecma)"
        )
        message = f"oss://{connection.options.bucket}/{key} cannot be verified: {cause}."
        if stated is None or mismatched:
            kind = StorageError if stated is None else StorageDamagedError
            raise kind(f"{message} The object is damaged, or a proxy between changes what passes through it.")
        mismatched = True
        raise StorageBusyError(message)

    return connection.with_retries(f"read {key!r}", fetch)
