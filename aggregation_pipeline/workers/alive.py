"""Whether the worker of this host answers: `python -m aggregation_pipeline.workers.alive NAME`, for health checks."""

import socket
import sys
from collections.abc import Sequence

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.instance.runners.broker import Broker
from aggregation_pipeline.settings.base import load_settings


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 0 if it answers."""
    (name,) = arguments
    try:
        settings = load_settings()
        workers = Broker(settings.require_broker_url(), settings.deployment_name).workers(5.0)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if f"{name}@{socket.gethostname()}" in workers else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
