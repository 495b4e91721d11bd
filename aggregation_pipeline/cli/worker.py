"""`worker`: computes runs on this machine that RUNNER=celery has put into queues."""

import re
from typing import Final

import click

from aggregation_pipeline.cli.common import explained

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def _read_queues(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    from aggregation_pipeline.config.run_requirements import queue_problem

    names = tuple(part.strip() for part in value.split(",") if part.strip())
    if not names:
        raise click.BadParameter("it names no queue; leave it out for the one called default")
    for name in names:
        if problem := queue_problem(name):
            raise click.BadParameter(f"{name!r} is no queue: {problem}")
    return tuple(dict.fromkeys(names))


def _read_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and not _NAME.fullmatch(value):
        raise click.BadParameter("letters, digits, '_', '-' and '.' make the name of a worker")
    return value


@click.command(short_help="Compute runs on this machine, from the queues of RUNNER=celery.")
@click.option(
    "--queues",
    default="default",
    show_default=True,
    callback=_read_queues,
    help="Which queues to serve, with commas between. Runs without a queue are in the one called default.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    help="How many runs to compute at once, each in its own process of about 300 MB.",
)
@click.option("--name", default="", callback=_read_name, help="What `check` calls it; one worker of a host has it.")
@explained
def worker(queues: tuple[str, ...], concurrency: int, name: str) -> None:
    """Take runs from the broker, and compute them here.

    Start one on each machine that should compute. Where a run is computed makes no difference to what comes of it, so
    all machines need the same version, the same aggregation.yaml and the same settings: DB_*, OSS_* (or a STORAGE_DIR
    that they share), DAGSTER_PG_URL, CELERY_BROKER_URL, RUNNER=celery. A worker refuses a run that was planned by other
    rules. DAGSTER_HOME, TEMP_DIR and LOG_DIR are its own.

    `max_concurrent_runs` in dagster.yaml is how many runs all workers together get at once.

    Ctrl-C and SIGTERM end it in order: it takes no more runs, those at work have STOP_SECONDS (600) to end, then they
    are interrupted. A second Ctrl-C interrupts them at once. If it is killed, or its machine goes down, the
    processes of its runs end with it; the runs are failed within about a minute and a half, and their windows are free.

    \b
    aggregation-pipeline worker
    aggregation-pipeline worker --queues default,big --concurrency 4
    """
    from aggregation_pipeline.local.worker import start_worker

    start_worker(queues, concurrency, name)
