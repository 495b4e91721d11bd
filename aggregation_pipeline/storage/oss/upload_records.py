"""Records of multipart uploads, in the temporary folder: the next run aborts what a killed run began.

Parts appear in no listing of objects, and they cost money. Each publication has keys of its own, so no other run could
use the parts of a dead one.
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
def upload_record(options: OssOptions, key: str, upload_id: str) -> Iterator[None]:
    """Keep a record of an upload while the body runs. Where none can be written, the upload runs without."""
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


def abort_recorded_uploads(connection: Connection) -> None:
    """Abort the uploads into this bucket that dead processes recorded; those that cannot be aborted now are kept."""
    options = connection.options
    for record in sorted(_folder(options.temp_dir).glob("*.json")) if options.temp_dir is not None else []:
        if (file := take_over(record)) is None:
            continue
        with file:
            try:
                left = json.loads(record.read_bytes())
                if left["bucket"] != options.bucket:
                    continue
                abort_upload(connection, left["key"], left["upload_id"])
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


def abort_upload(connection: Connection, key: str, upload_id: str) -> None:
    """Remove the parts of an upload."""
    connection.with_retries(
        f"abort the upload of {key!r}", lambda: connection.bucket.abort_multipart_upload(key, upload_id)
    )


def _folder(temp_dir: Path) -> Path:
    return temp_dir / "oss-uploads"
