"""Uploads to OSS, with ours and with oss2 alone: what `oss` measures, each in a process of its own."""

from collections.abc import Callable
from pathlib import Path

import oss2

from aggregation_pipeline.storage.oss.store import OssOptions, OssStore
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID, REGION, SECRET


def store_put(endpoint: str, path: str, times: int) -> Callable[[], int]:
    """Use `OssStore.put`: it compares the checksum end to end, and uploads parts of a large file in parallel."""
    options = OssOptions(
        bucket=BUCKET, region=REGION, access_key_id=KEY_ID, access_key_secret=SECRET, endpoint=endpoint
    )
    store = OssStore(options)
    store.put("rehearsal", b"x", media_type="a/b")

    def run() -> int:
        for number in range(times):
            store.put(f"ours/{number}", Path(path), media_type="application/octet-stream")
        return times

    return run


def plain_put(endpoint: str, path: str, times: int) -> Callable[[], int]:
    """Use `put_object` of oss2, with its own checksum."""
    auth = oss2.ProviderAuthV4(oss2.credentials.StaticCredentialsProvider(KEY_ID, SECRET))
    bucket = oss2.Bucket(auth, endpoint, BUCKET, region=REGION)
    bucket.put_object("rehearsal", b"x")

    def run() -> int:
        for number in range(times):
            with Path(path).open("rb") as file:
                bucket.put_object(f"plain/{number}", file)
        return times

    return run
