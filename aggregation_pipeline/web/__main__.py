"""`python -m aggregation_pipeline.web`: serve Dagster's UI. Schedules and sensors need the daemon besides."""

from pathlib import Path

import click
from dagster._utils.log import configure_loggers

from aggregation_pipeline.cli.common import explained, read_path_prefix
from aggregation_pipeline.instance import log_handlers
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.web.server import serve


@click.command(context_settings={"help_option_names": ["--help"]})
@click.option("--host", "-h", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", "-p", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port.")
@click.option(
    "--path-prefix", callback=read_path_prefix, default="", help="Path below which all pages are, such as /dagster."
)
@click.option(
    "--workspace",
    "-w",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    default=["workspace.yaml"],
    show_default=True,
    help="What to load; may be given several times.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Level of Dagster's log lines.",
)
@explained
def main(host: str, port: int, path_prefix: str, workspace: tuple[Path, ...], log_level: str) -> None:
    """Serve Dagster's UI to its own pages and to programs. Requests that pages of other sites send are refused.

    \b
    python -m aggregation_pipeline.web
    python -m aggregation_pipeline.web --host 0.0.0.0 --port 3000 --path-prefix /dagster
    """
    configure_loggers(log_level=log_level.upper())
    settings = load_settings()
    log_handlers.configure(settings)
    serve(settings, workspace, host=host, port=port, path_prefix=path_prefix)


if __name__ == "__main__":
    main()
