"""Tables of MySQL and PostgreSQL as Dagster assets: aggregated, exported as files, every run recorded in batch_jobs."""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aggregation_pipeline.component.component import AggregationComponent
    from aggregation_pipeline.io_managers.oss import OSSIOManager
    from aggregation_pipeline.local.api import collect_all
    from aggregation_pipeline.resources.oss import OSSResource

__all__ = ["AggregationComponent", "OSSIOManager", "OSSResource", "collect_all"]

_MODULES: Final = {
    "AggregationComponent": "aggregation_pipeline.component.component",
    "OSSIOManager": "aggregation_pipeline.io_managers.oss",
    "OSSResource": "aggregation_pipeline.resources.oss",
    "collect_all": "aggregation_pipeline.local.api",
}


def __getattr__(name: str) -> object:
    # Dagster, pyarrow and others take seconds to import: nobody else should wait for them.
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # `dg` finds components by it.
    return [*globals(), *_MODULES]
