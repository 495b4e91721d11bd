"""`demo` and `dev`: on embedded servers."""

import sys
from pathlib import Path

import click

from aggregation_pipeline.cli.common import explained


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path(".data"), show_default=True, help="Folder of the embedded servers.")
@explained
def demo(data: Path) -> None:
    """Run the main job once, on a real MySQL-protocol server and a real PostgreSQL that start by themselves.

    Sample shop data is loaded, every table of aggregation.yaml is computed, rendered in every format, published to the folder
    `exports` and recorded in batch_jobs. Your own settings and .env are left aside.
    """
    from aggregation_pipeline.demo import run_demo  # noqa: PLC0415

    sys.exit(0 if run_demo(data) else 1)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path(".data"), show_default=True, help="Folder of the embedded servers.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of Dagster's UI, on 127.0.0.1.")
@explained
def dev(data: Path, port: int) -> None:
    """Start the demo's servers and Dagster's UI with its daemon; schedules and sensors are running. Ctrl-C stops all of it."""
    from aggregation_pipeline.demo import run_dev  # noqa: PLC0415

    sys.exit(run_dev(data, port))
