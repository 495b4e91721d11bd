"""Large objects in parts: several at once, each sent again where it fails, aborted when given up."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import oss2

from aggregation_pipeline.errors import PipelineError, StorageBusyError
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.crc64 import crc64
from aggregation_pipeline.storage.oss.connection import CRC_HEADER, Connection
from aggregation_pipeline.storage.oss.options import MIB
from aggregation_pipeline.storage.oss.upload_records import abort_upload, upload_record

MAX_PARTS = 10_000
MIN_PART = 100 * 1024


@dataclass(frozen=True)
class Part:
    """Part `number` (from 1) of an upload: the bytes from `first` on, `bytes` of them."""

    upload_id: str
    number: int
    first: int
    bytes: int


def part_size_for(size: int, preferred: int) -> int:
    """Return the bytes a part should have.

    That is `preferred`, more (in whole MiB) where 10,000 parts would not do, and never less than OSS's 100 KiB.
    """
    smallest = -(-size // MAX_PARTS)
    return max(preferred, MIN_PART) if smallest <= preferred else -(-smallest // MIB) * MIB


def content_md5(data: bytes) -> str:
    """Return the value of Content-MD5, by which OSS refuses content that was damaged on the way."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def multipart_upload(
    connection: Connection,
    wanted: StoredObject,
    headers: Mapping[str, str],
    part_size: int,
    send: "Callable[[Part], oss2.models.PartInfo]",
) -> str | None:
    """Make `wanted` of the parts that `send` sends; return OSS's checksum of the whole, for the caller to compare.

    `send` uploads one part, or lets OSS copy it.
    """
    begun = connection.with_retries(
        f"begin the upload of {wanted.key!r}",
        lambda: connection.bucket.init_multipart_upload(wanted.key, headers=dict(headers)),
    )
    size = part_size_for(wanted.bytes, part_size)
    starts = enumerate(range(0, wanted.bytes, size), 1)
    parts = [Part(begun.upload_id, number, first, min(size, wanted.bytes - first)) for number, first in starts]
    with upload_record(connection.options, wanted.key, begun.upload_id):
        try:
            with ThreadPoolExecutor(connection.options.parallel_parts) as pool:
                sent = list(pool.map(send, parts))
            return _complete(connection, begun.upload_id, wanted, sent)
        except BaseException:
            # Parts cost money until somebody removes them. A process that is killed here leaves its record instead.
            with suppress(PipelineError):
                abort_upload(connection, wanted.key, begun.upload_id)
            raise


def upload_parts(connection: Connection, source: Path, wanted: StoredObject, headers: Mapping[str, str]) -> str | None:
    """Upload `source` as `wanted`; return OSS's checksum.

    Only the parts that are sent at once are in memory, whatever the size of the file.
    """

    def send(part: Part) -> oss2.models.PartInfo:
        with source.open("rb") as file:
            file.seek(part.first)
            data = file.read(part.bytes)
        expected, digest = str(crc64(data)), {"Content-MD5": content_md5(data)}

        def once() -> oss2.models.PartInfo:
            result = connection.bucket.upload_part(wanted.key, part.upload_id, part.number, data, headers=digest)
            if (stated := result.headers.get(CRC_HEADER)) != expected:  # harmless: sending the part again replaces it
                raise StorageBusyError(
                    f"Part {part.number} of {wanted.key!r} arrived with CRC64 {stated} instead of {expected}."
                )
            return oss2.models.PartInfo(part.number, result.etag, size=len(data))

        return connection.with_retries(f"store part {part.number} of {wanted.key!r}", once)

    return multipart_upload(connection, wanted, headers, connection.options.part_size, send)


def _complete(
    connection: Connection, upload_id: str, wanted: StoredObject, parts: "list[oss2.models.PartInfo]"
) -> str | None:
    attempts = count(1)

    def complete() -> str | None:
        if next(attempts) > 1 and connection.holds(wanted):  # the reply was lost, and the upload with its id is gone
            return wanted.crc64
        result = connection.bucket.complete_multipart_upload(wanted.key, upload_id, parts)
        stated = result.headers.get(CRC_HEADER)
        return str(stated) if stated else None

    return connection.with_retries(f"complete the upload of {wanted.key!r}", complete)
