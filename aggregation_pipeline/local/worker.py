"""`worker`: proves what a worker needs, and starts it."""

import functools
import os
from collections.abc import Sequence

import click

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.local.instance import instance_folder, open_storage
from aggregation_pipeline.settings.base import load_settings


def start_worker(queues: Sequence[str], concurrency: int, name: str) -> None:
    """Run a worker until it is stopped.

    Raises:
        SettingsError: the settings cannot be used, or RUNNER is another one.
        BrokerError: Redis does not answer, or refuses us.
    """
    settings = load_settings()
    if settings.runner != "celery":
        raise SettingsError(
            f"RUNNER is {settings.runner}, and workers take the runs of RUNNER=celery. Set it on all machines, here and"
            " where the daemon runs"
        )
    settings.require_runner()
    settings.require_broker_url()
    home = instance_folder()
    if not (home / "dagster.yaml").is_file():
        raise SettingsError(f"There is no dagster.yaml in DAGSTER_HOME={home}. Copy the one of this project into it.")
    os.environ["DAGSTER_HOME"] = str(home.absolute())
    with open_storage(settings) as instance:
        from aggregation_pipeline.workers.worker import WorkerOptions, run_worker

        run_worker(
            instance, settings, WorkerOptions(queues, concurrency, name), functools.partial(click.echo, err=True)
        )
