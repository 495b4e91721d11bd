"""Loads a project as each process of Dagster does: what `definitions` measures, in a process of its own."""

import os
from collections.abc import Callable
from pathlib import Path


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
