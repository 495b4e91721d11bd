"""Large files in parts: several at once, each checked, taken up again where a killed run stopped, aborted when given up.

A record in the temporary folder remembers the upload of a file. It is removed when the upload ends, well or badly; one that is
still there belongs to a run that was killed, and the same file of the same size and checksum goes on from it.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import oss2

from aggregation_pipeline.errors import PipelineError, StorageBusyError
from aggregation_pipeline.storage.base import StoredObject
from aggregation_pipeline.storage.crc64 import crc64
from aggregation_pipeline.storage.oss_connection import CRC_HEADER, Connection
from aggregation_pipeline.storage.oss_options import MIB, OssOptions

MAX_PARTS = 10_000
MIN_PART = 100 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Upload:
    bucket: str
    key: str
    bytes: int
    crc64: str
    part_size: int
    upload_id: str


def part_size_for(size: int, preferred: int) -> int:
    """Bytes a part: the preferred ones, more (in whole MiB) where 10,000 parts would not do, never under OSS's 100 KiB."""
    smallest = -(-size // MAX_PARTS)
    return max(preferred, MIN_PART) if smallest <= preferred else -(-smallest // MIB) * MIB


def upload_parts(connection: Connection, source: Path, wanted: StoredObject, headers: Mapping[str, str]) -> str | None:
    """Upload `source` as `wanted`; returns the checksum that OSS states for the whole, which the caller compares.

    Memory: as many parts as are sent at once, whatever the size of the file.
    """
    record = _record_path(connection.options, wanted.key)
    upload, done = _resume(connection, record, wanted) or _begin(connection, record, wanted, headers)
    try:
        count = -(-wanted.bytes // upload.part_size)
        with ThreadPoolExecutor(connection.options.parallel_parts) as pool:
            sent = pool.map(
                lambda number: _send_part(connection, source, upload, number), (n for n in range(1, count + 1) if n not in done)
            )
            done |= {part.part_number: part for part in sent}
        return _complete(connection, upload, wanted, [done[number] for number in sorted(done)])
    except BaseException:
        # Parts cost money until somebody removes them. Whoever is killed before this line leaves the record instead.
        with suppress(PipelineError):
            connection.attempt(
                f"abort the upload of {wanted.key!r}", lambda: connection.bucket.abort_multipart_upload(wanted.key, upload.upload_id)
            )
        raise
    finally:
        if record:
            record.unlink(missing_ok=True)


def _begin(
    connection: Connection, record: Path | None, wanted: StoredObject, headers: Mapping[str, str]
) -> "tuple[_Upload, dict[int, oss2.models.PartInfo]]":
    begun = connection.attempt(
        f"begin the upload of {wanted.key!r}", lambda: connection.bucket.init_multipart_upload(wanted.key, headers=dict(headers))
    )
    size = part_size_for(wanted.bytes, connection.options.part_size)
    upload = _Upload(connection.options.bucket, wanted.key, wanted.bytes, str(wanted.crc64), size, begun.upload_id)
    if record:
        record.parent.mkdir(parents=True, exist_ok=True)
        unfinished = record.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(upload)), encoding="utf-8")
        unfinished.replace(record)
    return upload, {}


def _resume(connection: Connection, record: Path | None, wanted: StoredObject) -> "tuple[_Upload, dict[int, oss2.models.PartInfo]] | None":
    """The upload that a killed run left, with the parts that stand; None when there is nothing to go on from."""
    try:
        left = _Upload(**json.loads(record.read_text(encoding="utf-8"))) if record else None
    except (OSError, ValueError, TypeError):
        left = None
    if left is None or record is None:
        return None
    bucket = connection.bucket
    if (left.bucket, left.key, left.bytes, left.crc64) != (connection.options.bucket, wanted.key, wanted.bytes, wanted.crc64):
        with suppress(PipelineError):  # the file has changed since: its parts are of no use
            connection.attempt(f"abort the upload of {left.key!r}", lambda: bucket.abort_multipart_upload(left.key, left.upload_id))
        record.unlink(missing_ok=True)
        return None
    try:
        parts = connection.attempt(f"list the parts of {wanted.key!r}", lambda: list(_parts(bucket, left)))
    except StorageBusyError:
        raise
    except PipelineError:  # completed, aborted or expired since
        record.unlink(missing_ok=True)
        return None
    whole = {part.part_number: part for part in parts if part.size == _part_bytes(left, part.part_number)}
    _log.info("Going on with the upload of %s: %d of %d parts stand.", wanted.key, len(whole), -(-wanted.bytes // left.part_size))
    return left, whole


def _parts(bucket: oss2.Bucket, upload: _Upload) -> "Iterator[oss2.models.PartInfo]":
    marker = ""
    while True:
        page = bucket.list_parts(upload.key, upload.upload_id, marker=marker)
        yield from page.parts
        if not page.is_truncated:
            return
        marker = page.next_marker


def _part_bytes(upload: _Upload, number: int) -> int:
    return min(upload.part_size, upload.bytes - (number - 1) * upload.part_size)


def _send_part(connection: Connection, source: Path, upload: _Upload, number: int) -> "oss2.models.PartInfo":
    with source.open("rb") as file:
        file.seek((number - 1) * upload.part_size)
        data = file.read(upload.part_size)
    expected = str(crc64(data))

    def send() -> oss2.models.PartInfo:
        result = connection.bucket.upload_part(upload.key, upload.upload_id, number, data)
        if (stated := result.headers.get(CRC_HEADER)) != expected:  # harmless: sending the part again replaces it
            raise StorageBusyError(f"Part {number} of {upload.key!r} arrived with CRC64 {stated} instead of {expected}.")
        return oss2.models.PartInfo(number, result.etag, size=len(data))

    return connection.attempt(f"store part {number} of {upload.key!r}", send)


def _complete(connection: Connection, upload: _Upload, wanted: StoredObject, parts: "list[oss2.models.PartInfo]") -> str | None:
    tries = iter(range(1, 1_000_000))

    def complete() -> str | None:
        if next(tries) > 1 and connection.holds(wanted):  # the reply was lost, and the upload with its id is gone
            return wanted.crc64
        result = connection.bucket.complete_multipart_upload(upload.key, upload.upload_id, parts)
        stated = result.headers.get(CRC_HEADER)
        return str(stated) if stated else None

    return connection.attempt(f"complete the upload of {upload.key!r}", complete)


def _record_path(options: OssOptions, key: str) -> Path | None:
    if options.temp_dir is None:
        return None
    name = hashlib.sha256(f"{options.bucket}/{key}".encode()).hexdigest()
    return options.temp_dir / "oss-uploads" / f"{name}.json"
