"""Whether the worker of this host answers: `python -m aggregation_pipeline.workers.alive NAME`, for health checks."""

import os
import socket
import sys
from collections.abc import Sequence

from dagster import DagsterInstance

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.instance.runners.broker import broker_of
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.value_files import hand_down


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 0 if it answers."""
    (name,) = arguments
    try:
        settings = load_settings()
        # dagster.yaml reads this variable, which may stand only in .env.
        hand_down(os.environ, {"DAGSTER_PG_URL": settings.require_dagster_url()})
        PostgresStorage.patience = 0.0
        with outage_of_storage(), DagsterInstance.get() as instance:
            broker = broker_of(instance, settings.require_broker_url(), settings.deployment_name)
        workers = broker.workers(5.0)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if f"{name}@{socket.gethostname()}" in workers else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
