"""Further names for an object in a bucket: copies that OSS makes by itself, and symlinks."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count

import oss2

from aggregation_pipeline.errors import PipelineError, StorageBusyError, StorageError
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.oss.connection import Connection
from aggregation_pipeline.storage.oss.multipart import Part, multipart_upload


def copy_object(
    connection: Connection,
    source_key: str,
    target_key: str,
    headers: Mapping[str, str],
    known: StoredObject | None = None,
) -> bool:
    """Copy within the bucket, in parts above `copy_above` bytes; return whether a copy was needed.

    Raises:
        StorageError: the source is not there, or the copy cannot be verified.
    """
    what = f"copy {source_key!r} to {target_key!r}"
    source = known or _source(connection, source_key, what)
    wanted = StoredObject(target_key, source.bytes, source.crc64)
    bucket, options = connection.bucket, connection.options
    replacing = {**headers, "x-oss-metadata-directive": "REPLACE"}

    def is_copied() -> bool:
        return connection.holds(wanted)

    def make() -> None:
        if source.bytes > options.copy_above:
            _copy_in_parts(connection, source_key, wanted, headers)
        else:
            _call_until_done(
                connection,
                what,
                is_copied,
                lambda: bucket.copy_object(options.bucket, source_key, target_key, headers=replacing),
            )

    return _make_unless_done(connection, target_key, what, is_copied, make)


def put_symlink(
    connection: Connection,
    source_key: str,
    target_key: str,
    headers: Mapping[str, str],
    known: StoredObject | None = None,
) -> bool:
    """Link `target_key` to the file `source_key`; return whether it was not linked yet.

    Raises:
        StorageError: the source is not there, or is a link itself. OSS would accept both.
    """
    what = f"link {target_key!r} to {source_key!r}"
    if known is None:
        _source(connection, source_key, what)

    def is_linked() -> bool:
        try:
            return bool(connection.bucket.get_symlink(target_key).target_key == source_key)
        except oss2.exceptions.ServerError as error:
            if error.code in {"NoSuchKey", "NotSymlink"}:
                return False
            raise

    def make() -> None:
        _call_until_done(
            connection,
            what,
            is_linked,
            lambda: connection.bucket.put_symlink(source_key, target_key, headers=dict(headers)),
        )

    return _make_unless_done(connection, target_key, what, is_linked, make)


def _make_unless_done(
    connection: Connection, key: str, what: str, is_done: Callable[[], bool], make: Callable[[], None]
) -> bool:
    """Call `make` unless it `is_done` already, and look again; return whether it was called."""
    if connection.with_retries(f"look at {key!r}", is_done):
        return False
    make()
    if not connection.with_retries(f"look at {key!r}", is_done):
        raise StorageBusyError(
            f"Cannot {what} in OSS bucket {connection.options.bucket!r}: it was done, and a moment later something else"
            " stands there. Another run changes it too: the next publication sets it again."
        )
    return True


def _call_until_done(
    connection: Connection, what: str, is_done: Callable[[], bool], call: Callable[[], object]
) -> None:
    """Repeat `call()` until it succeeds. If it `is_done` after a failure, only the reply was lost."""
    attempts = count(1)

    def try_again() -> None:
        if next(attempts) == 1 or not is_done():
            call()

    try:
        connection.with_retries(what, try_again)
    except StorageBusyError:
        with suppress(PipelineError):
            if connection.without_retries(what, is_done):
                return
        raise


def _source(connection: Connection, key: str, what: str) -> StoredObject:
    found = connection.with_retries(f"look at {key!r}", lambda: connection.find_object(key))
    address = f"oss://{connection.options.bucket}/{key}"
    if found is None:
        raise StorageError(f"Cannot {what}: {address} is not there.")
    if found.link is not None:
        raise StorageError(
            f"Cannot {what}: {address} is a symlink to {found.link!r}, and only files are named. Name the file itself."
        )
    if found.crc64 is None:
        raise StorageError(
            f"Cannot {what}: OSS states no CRC64 of {address}, so what is made of it could not be verified."
        )
    return found


def _copy_in_parts(connection: Connection, source_key: str, wanted: StoredObject, headers: Mapping[str, str]) -> None:
    bucket, options = connection.bucket, connection.options

    def send(part: Part) -> oss2.models.PartInfo:
        byte_range = (part.first, part.first + part.bytes - 1)
        result = connection.with_retries(
            f"copy part {part.number} of {wanted.key!r}",
            lambda: bucket.upload_part_copy(
                options.bucket, source_key, byte_range, wanted.key, part.upload_id, part.number
            ),
        )
        return oss2.models.PartInfo(part.number, result.etag, size=part.bytes)

    multipart_upload(connection, wanted, headers, options.copy_part, send)
