"""A MySQL-protocol server and a PostgreSQL from wheels, for a machine that has neither; sample shop data. Never used in production."""

import os

from aggregation_pipeline.errors import PipelineError

if os.name == "nt":
    raise PipelineError(
        "The embedded servers exist for Linux and macOS only. On Windows use WSL, or servers of your own: "
        "set DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME and DAGSTER_PG_URL."
    )
