"""`serve`: everything that has to run all the time, with one command."""

from typing import TYPE_CHECKING

import click

from aggregation_pipeline.cli.common import explained, read_path_prefix

if TYPE_CHECKING:
    from aggregation_pipeline.services.supervisor import ServiceName


@click.command(short_help="Run everything by schedule, with Dagster's UI.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of the UI. Another one needs TRUSTED_PROXIES, or ALLOW_SIGN_IN_OVER_HTTP=true.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the UI.")
@click.option(
    "--path-prefix", callback=read_path_prefix, default="", help="Path below which all pages are, such as /dagster."
)
@click.option(
    "--only",
    type=click.Choice(["web", "daemon", "code"]),
    help="Run one service; the others run elsewhere, with the same DAGSTER_HOME.",
)
@explained
def serve(host: str, port: int, path_prefix: str, only: "ServiceName | None") -> None:
    """Run the code server, Dagster's UI and its daemon, and start each again that dies.

    The daemon launches the tables by their schedules, the code server runs them, and the UI shows them. Restarting the
    UI or the daemon disturbs no run. A changed aggregation.yaml is loaded by itself once it has no mistake.

    Ctrl-C and SIGTERM stop everything in order: no more runs start, those at work have STOP_SECONDS (600) to end, then
    they are interrupted. A second Ctrl-C interrupts them at once.

    On this machine nobody has to sign in until `aggregation-pipeline users add` has made an account. Other machines
    reach the UI through a proxy that speaks https (TRUSTED_PROXIES), and sign in.

    \b
    aggregation-pipeline serve
    aggregation-pipeline serve --port 3001 --path-prefix /dagster

    \b
    One service each, for systemd or containers. They meet in $DAGSTER_HOME/.code-server:
      aggregation-pipeline serve --only code
      aggregation-pipeline serve --only daemon
      aggregation-pipeline serve --only web
    """
    from aggregation_pipeline.local.serve import run_serve
    from aggregation_pipeline.services.supervisor import Address

    run_serve(Address(host, port, path_prefix), only)
