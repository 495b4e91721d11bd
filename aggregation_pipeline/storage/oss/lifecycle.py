"""Whether the bucket removes parts of uploads that were killed: they appear in no listing, and they cost money."""

import oss2

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.keys import tables_prefix
from aggregation_pipeline.storage.oss.connection import Connection

_RULE = (
    "Add a lifecycle rule to the bucket that deletes parts after some days (docs/oss.md shows it): "
    "without one, what an upload that was killed has sent is stored, and paid for, until somebody looks"
)


def lifecycle_warning(connection: Connection, prefix: str) -> str | None:
    """Return a warning for the bucket's owner; None when a rule removes abandoned parts below `prefix`.

    Where the key may not read the rules, the warning says so.

    Raises:
        StorageBusyError: OSS cannot be reached.
    """
    bucket = connection.options.bucket

    def rules() -> list[oss2.models.LifecycleRule]:
        try:
            return list(connection.bucket.get_bucket_lifecycle().rules)
        except oss2.exceptions.NoSuchLifecycle:
            return []

    try:
        found = connection.with_retries("read the lifecycle rules", rules)
    except StorageBusyError:
        raise
    except StorageError as error:
        return (
            f"Nobody knows whether abandoned parts of uploads are removed: {error} Needed for this check alone is"
            " oss:GetBucketLifecycle."
        )
    if any(_removes_parts(rule) and tables_prefix(prefix).startswith(rule.prefix or "") for rule in found):
        return None
    where = f" below {prefix!r}" if prefix else ""
    return f"OSS bucket {bucket!r} has no lifecycle rule that removes abandoned parts of uploads{where}. {_RULE}."


def _removes_parts(rule: "oss2.models.LifecycleRule") -> bool:
    return (
        rule.status == oss2.models.LifecycleRule.ENABLED
        and getattr(rule.abort_multipart_upload, "days", None) is not None
    )
