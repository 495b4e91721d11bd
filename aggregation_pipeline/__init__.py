"""MySQL tables as Dagster assets, exported to files, recorded in batch_jobs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aggregation_pipeline.local.api import collect_all

__all__ = ["collect_all"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as modules have it
    # Dagster, pyarrow and the rest take seconds to import: only who collects pays for them.
    if name == "collect_all":
        from aggregation_pipeline.local.api import collect_all  # noqa: PLC0415

        return collect_all
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
