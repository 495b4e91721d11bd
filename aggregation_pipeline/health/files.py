"""Whether files can be published: the bucket answers, or the folder can be written to."""

from dataclasses import replace

from aggregation_pipeline.health.probe import LIMIT_SECONDS, Check
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.storage.folder import FolderStore


def files_check(settings: Settings) -> Check:
    """Return the check of the bucket, or of the folder where no bucket is configured.

    The check raises StorageError. It stores nothing.
    """
    options, prefix = settings.oss_options, settings.oss_prefix
    if options is None:
        folder = FolderStore(settings.storage_dir)
        return lambda: folder.prove_writable(prefix)
    # Alibaba's library takes a second to import: only where there is a bucket.
    from aggregation_pipeline.storage.oss.store import OssStore

    bucket = OssStore(replace(options, connect_timeout=LIMIT_SECONDS, read_timeout=LIMIT_SECONDS))
    return lambda: bucket.prove_readable(prefix)
