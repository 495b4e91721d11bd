"""MySQL tables as Dagster assets: aggregated, exported as files, every run recorded in batch_jobs."""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aggregation_pipeline.io_managers.oss import OSSIOManager
    from aggregation_pipeline.local.api import collect_all
    from aggregation_pipeline.resources.oss import OSSResource

__all__ = ["OSSIOManager", "OSSResource", "collect_all"]

_MODULES: Final = {
    "OSSIOManager": "aggregation_pipeline.io_managers.oss",
    "OSSResource": "aggregation_pipeline.resources.oss",
    "collect_all": "aggregation_pipeline.local.api",
}


def __getattr__(name: str) -> object:
    # Dagster, pyarrow and others take seconds to import: nobody else should wait for them.
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
