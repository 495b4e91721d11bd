"""MySQL tables as Dagster assets: aggregated, exported as files, every run recorded in batch_jobs."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aggregation_pipeline.local.api import collect_all

__all__ = ["collect_all"]


def __getattr__(name: str) -> object:
    # Dagster, pyarrow and others take seconds to import: nobody else should wait for them.
    if name == "collect_all":
        return importlib.import_module("aggregation_pipeline.local.api").collect_all
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
