"""Records of uploads in parts, in the temporary folder: what a run that was killed began is aborted by the next one.

Parts stand in no listing of objects and are paid for. A publication's keys are its own, so nobody could go on from a
dead one's parts.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aggregation_pipeline.errors import StorageBusyError, StorageDeniedError, StorageError
from aggregation_pipeline.storage.oss.connection import Connection
from aggregation_pipeline.storage.oss.options import OssOptions
from aggregation_pipeline.tempfiles.owner_lock import claim, take_over


@contextmanager
def recorded(options: OssOptions, key: str, upload_id: str) -> Iterator[None]:
    """Leave word of an upload for as long as the body runs. What cannot be recorded goes up all the same."""
    record = None if options.temp_dir is None else _folder(options.temp_dir) / f"{upload_id}.json"
    file = None
    if record is not None:
        with suppress(OSError):
            record.parent.mkdir(parents=True, exist_ok=True)
            file = claim(record)
            if file is not None:
                file.write(json.dumps({"bucket": options.bucket, "key": key, "upload_id": upload_id}).encode())
                file.flush()
    try:
        yield
    finally:
        if file is not None and record is not None:
            record.unlink(missing_ok=True)
            file.close()


def abort_left(connection: Connection) -> None:
    """Abort the uploads into this bucket that dead processes recorded. One that cannot be aborted now is left to the
    next.
    """
    options = connection.options
    for record in sorted(_folder(options.temp_dir).glob("*.json")) if options.temp_dir is not None else []:
        if (file := take_over(record)) is None:
            continue
        with file:
            try:
                left = json.loads(record.read_bytes())
                if left["bucket"] != options.bucket:
                    continue
                abort(connection, left["key"], left["upload_id"])
            except (StorageBusyError, StorageDeniedError):
                return
            except (
                StorageError,
                OSError,
                ValueError,
                KeyError,
                TypeError,
            ):  # gone already, or the record is half written
                pass
            record.unlink(missing_ok=True)


def abort(connection: Connection, key: str, upload_id: str) -> None:
    """Remove the parts of an upload."""
    connection.attempt(f"abort the upload of {key!r}", lambda: connection.bucket.abort_multipart_upload(key, upload_id))


def _folder(temp_dir: Path) -> Path:
    return temp_dir / "oss-uploads"
