"""`demo` and `dev`: the pipeline on servers that start by themselves."""

import os
import sys
from pathlib import Path

import click

from aggregation_pipeline.cli.common import explained
from aggregation_pipeline.errors import PipelineError

_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".data"),
    show_default=True,
    help="Folder for the data of the embedded servers.",
)

_source_option = click.option(
    "--source",
    type=click.Choice(["mysql", "postgresql"]),
    default="mysql",
    show_default=True,
    help="The kind of database that the shop is in; postgresql needs the extra [postgresql].",
)


@click.command(short_help="Run everything once, on servers that start by themselves.")
@_data_option
@_source_option
@explained
def demo(data: Path, source: str) -> None:
    """Run every table once, on a MySQL-compatible server and a PostgreSQL that start by themselves.

    The demo loads a sample shop, computes every table of aggregation.yaml, publishes it in every format to the folder
    `exports`, and records the run in batch_jobs. Your own settings and .env are not used. With --source postgresql the
    same shop is read from PostgreSQL, and only that one server starts.

    \b
    aggregation-pipeline demo
    aggregation-pipeline demo --source postgresql
    """
    _refuse_windows()
    from aggregation_pipeline.local.demo import run_demo

    sys.exit(0 if run_demo(data, source) else 1)


@click.command(short_help="Start Dagster's UI on the same servers.")
@_data_option
@_source_option
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of Dagster's UI, on 127.0.0.1."
)
@explained
def dev(data: Path, port: int, source: str) -> None:
    """Start the demo's servers, Dagster's UI and its daemon, with schedules and sensors running. Ctrl-C stops them all.

    \b
    aggregation-pipeline dev --port 3001
    """
    _refuse_windows()
    from aggregation_pipeline.local.demo import run_dev

    sys.exit(run_dev(data, port, source))


def _refuse_windows() -> None:
    if os.name == "nt":
        raise PipelineError(
            "The embedded servers exist for Linux and macOS only. On Windows use WSL, or servers of your own: set"
            " DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME and DAGSTER_PG_URL."
        )
