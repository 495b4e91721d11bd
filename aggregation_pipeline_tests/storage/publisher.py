"""A process to kill: publishes one window to an OSS server, or uploads a file. Run by test_kill.py as a module."""

import resource
import sys
from pathlib import Path

from aggregation_pipeline.storage.oss.store import OssOptions, OssStore
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline_tests.storage.samples import render_csv, render_json, sample_extract
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID, REGION, SECRET


def oss_store(endpoint: str, folder: Path, part_size: int) -> OssStore:
    return OssStore(
        OssOptions(
            bucket=BUCKET,
            region=REGION,
            access_key_id=KEY_ID,
            access_key_secret=SECRET,
            endpoint=endpoint,
            multipart_above=part_size,
            part_size=part_size,
            temp_dir=folder / "temp",
        )
    )


def publish(store: OssStore, folder: Path, value: int) -> None:
    extract = sample_extract(folder / "extract", value=value)
    publish_window(
        store, "daily", extract, [render_json(extract, folder), *render_csv(extract, folder)], run_id=f"run-{value}"
    )


def main(what: str, endpoint: str, folder: Path, number: int) -> None:
    if what == "publish":
        publish(oss_store(endpoint, folder, 1 << 20), folder, number)
    else:
        store = oss_store(endpoint, folder, number)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store.put("big", folder / "big", media_type="a/b")
        store.get("big", folder / "got")
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
