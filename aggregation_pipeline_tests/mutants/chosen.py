"""The modules to change, and the tests that have to notice: fast ones, with few servers."""

from collections.abc import Mapping, Sequence
from typing import Final

_PUBLISHING: Final = ("storage/test_publish.py", "storage/test_fence.py", "storage/test_denied.py")
_NAMING: Final = ("storage/test_names.py", "storage/test_denied.py")
_MASKING: Final = ("config/test_masks.py", "config/test_mask_attacks.py", "config/test_stand_ins.py")

CHOSEN: Final[Mapping[str, Sequence[str]]] = {
    "storage.publish": _PUBLISHING,
    "storage.switch": _PUBLISHING,
    "storage.names": (*_NAMING, "storage/test_publish.py"),
    "storage.planning": ("storage/test_publish.py",),
    "batch_jobs.projection": ("batch_jobs/test_projection.py",),
    "batch_jobs.reconcile": ("batch_jobs/test_requeued.py", "automation/test_sensors.py"),
    "config.masks": _MASKING,
    "config.masked": _MASKING,
    "source.masks": ("source/test_masks.py",),
}
