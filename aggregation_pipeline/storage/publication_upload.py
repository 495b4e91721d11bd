"""Send what a publication has planned: its mark first, its manifest last; and compare what is stored already."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aggregation_pipeline.storage.base import JSON_MEDIA_TYPE, ObjectStore, Report
from aggregation_pipeline.storage.keys import manifest_key, mark_key
from aggregation_pipeline.storage.lock_protocol import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.publication_plan import Content, Upload
from aggregation_pipeline.storage.stored_format import MARK_FORMAT

# A window's files are few and mostly small: their round trips overlap.
_AT_ONCE: Final = 4


def upload_publication(
    store: ObjectStore, prefix: str, manifest: Manifest, uploads: Sequence[Upload], lock: Lock, report: Report
) -> None:
    """Write all of a publication: the mark that takes its folder, files and extracts, then its manifest.

    Raises:
        LockError: the lock is lost; nothing but the mark was written.
    """
    _put_mark(store, prefix, manifest, uploads)
    # While the lock is held, whoever takes it later finds the mark and chooses another folder.
    lock.assert_held()

    def send(upload: Upload) -> None:
        store.put(
            upload.key,
            upload.path,
            media_type=upload.media_type,
            metadata=upload.metadata,
            filename=upload.filename,
            final=True,
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for upload, _ in zip(uploads, pool.map(send, uploads), strict=True):
            report(f"sent {upload.key} ({upload.content.bytes:,} bytes)")
    key = manifest_key(prefix, manifest.table, manifest.window, publication=manifest.publication)
    store.put(key, manifest.to_json(), media_type=JSON_MEDIA_TYPE)


def keys_with_content(store: ObjectStore, wanted: Mapping[str, Content], report: Report) -> set[str]:
    """Return the keys whose objects have the wanted content; a file that somebody changed is not named again."""

    def is_unchanged(key: str) -> bool:
        found = store.head(key)
        return found is not None and (found.bytes, found.crc64) == wanted[key]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        unchanged = [key for key, same in zip(wanted, pool.map(is_unchanged, wanted), strict=True) if same]
    for key in unchanged:
        report(f"unchanged {key}")
    return set(unchanged)


def _put_mark(store: ObjectStore, prefix: str, manifest: Manifest, uploads: Sequence[Upload]) -> None:
    sent = {upload.key for upload in uploads}
    mark = {
        "version": MARK_FORMAT,
        "table": manifest.table,
        "window": manifest.window,
        "publication": manifest.publication,
        "run_id": manifest.run_id,
        "files": [file.name for file in manifest.files if file.key in sent],
    }
    text = json.dumps(mark, ensure_ascii=False, indent=2) + "\n"
    key = mark_key(prefix, manifest.table, manifest.window, manifest.publication)
    store.put(key, text.encode(), media_type=JSON_MEDIA_TYPE)
