"""Loads a project from its YAML file to Dagster's repository: what `definitions` measures, in a process of its own."""

import os
from collections.abc import Callable


def load(path: str) -> Callable[[], int]:
    """Prepare the load. Imports are not measured: they cost the same for one table and for a thousand."""
    os.environ |= {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": path,
        "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1/none",
        "OUTPUT_FORMAT": "all",
    }
    from aggregation_pipeline.definitions import build_definitions
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    def run() -> int:
        project = load_project(load_settings())
        build_definitions(project).get_repository_def()
        return len(project.tables)

    return run
