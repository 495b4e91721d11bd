"""`serve`: Dagster's services on the servers that the environment and `.env` name."""

import errno
import functools
import os
import socket
from pathlib import Path
from typing import Final

import click

from aggregation_pipeline.config.hosts_and_urls import bracketed
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.local.instance import instance_folder
from aggregation_pipeline.services.supervisor import Address, ServiceName, supervise
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.value_files import hand_down
from aggregation_pipeline.web.sign_in.start import refuse_open_host

# In DAGSTER_HOME: where services find the code server that have supervisors of their own.
_SHARED: Final = ".code-server"


def run_serve(address: Address, only: ServiceName | None) -> None:
    """Run Dagster's services, or the one that `only` names, until they are stopped.

    Raises:
        SettingsError: the settings cannot be used, passwords would travel without TLS, or the port
            is in use.
    """
    # A whole line each, for journals and container logs.
    say = functools.partial(click.echo, err=True)
    settings = load_settings()
    home = instance_folder()
    if not (home / "dagster.yaml").is_file():
        raise SettingsError(
            f"There is no dagster.yaml in DAGSTER_HOME={home}, and Dagster would keep its runs in files there. Copy the"
            " one of this project into it."
        )
    if only in {None, "web"}:
        refuse_open_host(settings, address.host, address.port)
        require_free(address, "aggregation-pipeline serve")
        url = f"http://{bracketed(address.host)}:{address.port}{address.path_prefix}"
        say(f"Dagster's UI: {url} in about ten seconds (Ctrl-C stops everything)")
    # Services of Dagster's read both from the environment only.
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    hand_down(environment, {"DAGSTER_PG_URL": settings.require_dagster_url()})
    supervise(
        environment,
        Path.cwd(),
        address,
        say=say,
        only=only,
        shared=home / _SHARED,
        stop_seconds=settings.stop_seconds,
    )


def require_free(address: Address, command: str) -> None:
    """Raise SettingsError if nobody can listen on the address. `command` is what people have called."""
    try:
        ((family, kind, protocol, _, place), *_) = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except socket.gaierror:
        raise SettingsError(f"--host {address.host} is no address of this machine.") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise SettingsError(f"{address.host}:{address.port} cannot be listened on: {error.strerror}.") from None
        raise SettingsError(
            f"Port {address.port} is in use, perhaps by another `{command}`. Choose another: {command} --port"
            f" {address.port + 1}"
        ) from None
