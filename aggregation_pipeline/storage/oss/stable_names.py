"""Second names for what lies in a bucket: copies that OSS makes by itself, and symlinks."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import oss2

from aggregation_pipeline.errors import PipelineError, StorageBusyError, StorageError
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.oss.connection import Connection
from aggregation_pipeline.storage.oss.multipart import Part, in_parts


def copy_object(
    connection: Connection,
    source_key: str,
    target_key: str,
    headers: Mapping[str, str],
    known: StoredObject | None = None,
) -> bool:
    """Copy within the bucket, in parts above `copy_above` bytes, and compare what then stands there; whether there was
    need to.
    """
    what = f"copy {source_key!r} to {target_key!r}"
    source = known or _source(connection, source_key, what)
    wanted = StoredObject(target_key, source.bytes, source.crc64)
    bucket, options = connection.bucket, connection.options
    replacing = {**headers, "x-oss-metadata-directive": "REPLACE"}

    def there() -> bool:
        return connection.holds(wanted)

    def make() -> None:
        if source.bytes > options.copy_above:
            _copy_in_parts(connection, source_key, wanted, headers)
        else:
            _insist(
                connection,
                what,
                there,
                lambda: bucket.copy_object(options.bucket, source_key, target_key, headers=replacing),
            )

    return _set(connection, target_key, what, there, make)


def put_symlink(
    connection: Connection,
    source_key: str,
    target_key: str,
    headers: Mapping[str, str],
    known: StoredObject | None = None,
) -> bool:
    """Point `target_key` at the file `source_key`; whether it did not yet. OSS itself takes links that lead nowhere."""
    what = f"link {target_key!r} to {source_key!r}"
    if known is None:
        _source(connection, source_key, what)

    def points_there() -> bool:
        try:
            return bool(connection.bucket.get_symlink(target_key).target_key == source_key)
        except oss2.exceptions.ServerError as error:
            if error.code in {"NoSuchKey", "NotSymlink"}:
                return False
            raise

    def make() -> None:
        _insist(
            connection,
            what,
            points_there,
            lambda: connection.bucket.put_symlink(source_key, target_key, headers=dict(headers)),
        )

    return _set(connection, target_key, what, points_there, make)


def _set(connection: Connection, key: str, what: str, there: Callable[[], bool], make: Callable[[], None]) -> bool:
    """`make` what is not `there` yet, and look again; whether it had to be made."""
    if connection.attempt(f"look at {key!r}", there):
        return False
    make()
    if not connection.attempt(f"look at {key!r}", there):
        raise StorageBusyError(
            f"Cannot {what} in OSS bucket {connection.options.bucket!r}: it was done, and a moment later something else"
            " stands there. Another run changes it too: the next publication sets it again."
        )
    return True


def _insist(connection: Connection, what: str, there: Callable[[], bool], call: Callable[[], object]) -> None:
    """`call()` until it is carried out: what is `there` after a failure was, and only the reply got lost."""
    tries = iter(range(1, 1_000_000))

    def try_again() -> None:
        if next(tries) == 1 or not there():
            call()

    try:
        connection.attempt(what, try_again)
    except StorageBusyError:
        with suppress(PipelineError):
            if connection.once(what, there):
                return
        raise


def _source(connection: Connection, key: str, what: str) -> StoredObject:
    found = connection.attempt(f"look at {key!r}", lambda: connection.find(key))
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
        span = (part.first, part.first + part.bytes - 1)
        result = connection.attempt(
            f"copy part {part.number} of {wanted.key!r}",
            lambda: bucket.upload_part_copy(options.bucket, source_key, span, wanted.key, part.upload_id, part.number),
        )
        return oss2.models.PartInfo(part.number, result.etag, size=part.bytes)

    in_parts(connection, wanted, headers, options.copy_part, send)
