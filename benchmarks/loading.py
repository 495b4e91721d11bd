"""Loads a project as each process of Dagster does, and describes it as a code server does, in a process of its own."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.projects import project_variables, small_tables


def load(path: str, few: str) -> Callable[[], int]:
    """Prepare the load. Imports are not measured: they cost the same for one table and for a thousand.

    Some modules are imported only when a project is loaded, so a project of `few` tables is loaded before.
    """
    os.environ |= {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": few,
        "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1/none",
        "OUTPUT_FORMAT": "all",
        "TEMP_DIR": str(Path(path).parent / "temp"),
        "LOG_DIR": str(Path(path).parent / "logs"),
    }
    from aggregation_pipeline.definitions import defs

    defs()
    os.environ["AGGREGATION_CONFIG"] = path

    def run() -> int:
        keys = defs().get_repository_def().asset_graph.get_all_asset_keys()
        return len([key for key in keys if key.path[0] == "aggregation"])

    return run


def described(count: int) -> Callable[[], dict[str, float]]:
    """Prepare what a code server says of `count` small tables: all assets, and the plan of a run of them, in bytes."""
    folder = tempfile.mkdtemp()
    address = {"host": "127.0.0.1", "port": 1, "user": "nobody", "database": "none"}
    os.environ |= project_variables(
        address, "postgresql://nobody@127.0.0.1/none", folder, small_tables("orders", count), OUTPUT_FORMAT="all"
    )
    from dagster._core.execution.api import create_execution_plan
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._core.snap import snapshot_from_execution_plan
    from dagster_shared.serdes import serialize_value

    from aggregation_pipeline.definitions import defs

    def run() -> dict[str, float]:
        repository = defs().get_repository_def()
        assets = serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True))
        plan = snapshot_from_execution_plan(create_execution_plan(repository.get_job("aggregate")), "of a bench")
        return {"assets": len(assets), "plan": len(serialize_value(plan))}

    return run
