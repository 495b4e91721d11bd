"""RUNNER=docker: each run has a container of its own, by Dagster's own launcher."""

from typing import Final

import docker
from dagster import DagsterRun
from dagster._core.launcher import LaunchRunContext
from dagster._serdes import ConfigurableClassData
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext

from aggregation_pipeline.errors import LaunchError, SettingsError
from aggregation_pipeline.instance.run_needs import docker_arguments, with_missing_tags
from aggregation_pipeline.settings.base import load_part
from aggregation_pipeline.settings.runner_containers import ContainerSettings

# Arguments of `containers.create` that the launcher gives itself. Two containers cannot have one name.
_RESERVED: Final = frozenset({"image", "command", "detach", "environment", "network", "name"})


class DockerLauncher(DockerRunLauncher):
    """Dagster's own, with the address of Docker and what the run's tables need."""

    host = ""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Create and start the container of a run."""
        run = with_missing_tags(self._instance, context, has_container=True)
        try:
            super().launch_run(LaunchRunContext(run, context.workspace))
        except TypeError as error:
            # Only now Docker's library compares them with what it takes.
            raise LaunchError(f"DOCKER_CONTAINER_KWARGS: {error}") from None

    def get_container_context(self, dagster_run: DagsterRun) -> DockerContainerContext:
        """Return what the container is created with."""
        own = DockerContainerContext(container_kwargs=docker_arguments(dagster_run))
        merged: DockerContainerContext = super().get_container_context(dagster_run).merge(own)
        return merged

    def _get_client(self, container_context: DockerContainerContext) -> "docker.DockerClient":
        del container_context  # whoever needs a registry is signed in at the Docker daemon
        try:
            return docker.DockerClient(base_url=self.host)
        except docker.errors.DockerException as error:
            raise LaunchError(f"RUNNER=docker: Docker is not reached at DOCKER_HOST: {error}") from None


def build(inst_data: ConfigurableClassData | None) -> DockerLauncher:
    """Build the launcher from the environment.

    Raises:
        SettingsError: a variable cannot be used, or there is no Docker socket.
    """
    given = load_part(ContainerSettings)
    if problems := given.container_problems("docker"):
        raise SettingsError("; ".join(problems))
    try:
        given.require_docker_socket()
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if reserved := sorted(_RESERVED & given.docker_container_kwargs.keys()):
        raise SettingsError(
            f"DOCKER_CONTAINER_KWARGS: {', '.join(reserved)} cannot be there: image, network and variables are"
            " RUN_IMAGE, DOCKER_NETWORK and DOCKER_ENV, and command, detach and name follow from the run"
        )
    launcher = DockerLauncher(
        inst_data=inst_data,
        image=given.run_image,
        network=given.docker_network,
        env_vars=list(given.docker_env),
        container_kwargs=given.docker_container_kwargs,
    )
    launcher.host = given.docker_host
    return launcher
