"""What the assets of this project use. The component brings resources of its own."""

import dagster as dg

from aggregation_pipeline import OSSIOManager


@dg.definitions
def resources() -> dg.Definitions:
    """Keep what assets return in a folder; on OSS: docs/dagster_projects.md."""
    return dg.Definitions(resources={"io_manager": OSSIOManager(folder=dg.EnvVar("REPORTS_FOLDER"))})
