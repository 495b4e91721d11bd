"""The modules to change, and the tests that have to notice: fast tests that need few servers."""

from collections.abc import Mapping, Sequence
from typing import Final

_PUBLISHING: Final = (
    "storage/test_publish.py",
    "storage/test_window_manifest.py",
    "storage/test_fence.py",
    "storage/oss/test_denied.py",
)
_NAMING: Final = ("storage/test_stable_names.py", "storage/oss/test_denied.py")
_PROJECTION: Final = (
    "batch_jobs/test_projection.py",
    "batch_jobs/test_projection_platforms.py",
    "batch_jobs/test_projection_limits.py",
    "batch_jobs/test_metadata_schema.py",
)
_MASKING: Final = ("config/test_mask_rules.py", "config/test_mask_attacks.py", "config/test_invalid_entries.py")

CHOSEN: Final[Mapping[str, Sequence[str]]] = {
    "storage.publish": _PUBLISHING,
    "storage.window_manifest": _PUBLISHING,
    "storage.stable_names": (*_NAMING, "storage/test_publish.py", "storage/test_publication_plan.py"),
    "storage.publication_plan": ("storage/test_publication_plan.py", "storage/test_publish.py"),
    "batch_jobs.projection": _PROJECTION,
    "batch_jobs.table_events": _PROJECTION,
    "batch_jobs.reconcile": (
        "batch_jobs/test_reconcile.py",
        "runs/test_event_log.py",
        "automation/test_batch_jobs_sensors.py",
    ),
    "config.mask_rules": _MASKING,
    "config.masked_columns": _MASKING,
    "source.mysql.masking": ("source/mysql/test_masking.py",),
}
