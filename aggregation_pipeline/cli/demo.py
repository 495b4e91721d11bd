"""`demo` and `dev`: on embedded servers."""

import os
import sys
from pathlib import Path

import click

from aggregation_pipeline.cli.common import explained
from aggregation_pipeline.errors import PipelineError


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".data"),
    show_default=True,
    help="Folder of the embedded servers.",
)
@explained
def demo(data: Path) -> None:
    """Run the main job once, on a real MySQL-protocol server and a real PostgreSQL that start by themselves.

    Sample shop data is loaded, every table of aggregation.yaml is computed, rendered in every format, published to the
    folder `exports` and recorded in batch_jobs. Your own settings and .env are left aside.
    """
    _refuse_windows()
    from aggregation_pipeline.local.demo import run_demo

    sys.exit(0 if run_demo(data) else 1)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".data"),
    show_default=True,
    help="Folder of the embedded servers.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of Dagster's UI, on 127.0.0.1."
)
@explained
def dev(data: Path, port: int) -> None:
    """Start the demo's servers and Dagster's UI with its daemon; schedules and sensors are running. Ctrl-C stops all of
    it.
    """
    _refuse_windows()
    from aggregation_pipeline.local.demo import run_dev

    sys.exit(run_dev(data, port))


def _refuse_windows() -> None:
    if os.name == "nt":
        raise PipelineError(
            "The embedded servers exist for Linux and macOS only. On Windows use WSL, or servers of your own: set DB_HOST,"
            " DB_PORT, DB_USER, DB_PASSWORD, DB_NAME and DAGSTER_PG_URL."
        )
