"""`python -m aggregation_pipeline.web`: Dagster's UI on one address, without a daemon."""

from pathlib import Path

import click

from aggregation_pipeline.cli.common import explained


@click.command(context_settings={"help_option_names": ["--help"]})
@click.option("--host", "-h", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", "-p", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.option("--path-prefix", default="", help="Path below which all of it lies, such as /dagster.")
@click.option(
    "--workspace", "-w", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True, default=["workspace.yaml"],
    show_default=True, help="What to load; may be given several times.",
)  # fmt: skip
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    help="Of what Dagster says.",
)
@explained
def main(host: str, port: int, path_prefix: str, workspace: tuple[Path, ...], log_level: str) -> None:
    """Serve Dagster's UI to its own pages and to programs, and refuse what pages of other sites make a browser send."""
    from dagster._utils.log import configure_loggers  # noqa: PLC0415

    from aggregation_pipeline.instance import log_handlers  # noqa: PLC0415
    from aggregation_pipeline.settings.base import load_settings  # noqa: PLC0415
    from aggregation_pipeline.web.server import serve  # noqa: PLC0415

    if path_prefix and (not path_prefix.startswith("/") or path_prefix.endswith("/")):
        raise click.BadParameter(
            "it begins with a slash and ends without one, such as /dagster", param_hint="--path-prefix"
        )
    configure_loggers(log_level=log_level.upper())
    settings = load_settings()
    log_handlers.configure(settings)
    serve(settings, workspace, host=host, port=port, path_prefix=path_prefix)


if __name__ == "__main__":
    main()
