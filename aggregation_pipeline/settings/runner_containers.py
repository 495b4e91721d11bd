"""The variables of RUNNER=kubernetes and RUNNER=docker: the container that a run has to itself."""

import json
import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationInfo, field_validator

from aggregation_pipeline.settings.messages import split_list

_SOCKET: Final = "unix:///var/run/docker.sock"
# Of what has a name in Kubernetes: a DNS name in lower case.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Arguments of `containers.create` that mount something, and the variable that says it for each runner.
_MOUNTS: Final = ("volumes", "mounts", "volumes_from")
_MOUNTED_BY: Final = {"docker": "DOCKER_CONTAINER_KWARGS", "kubernetes": "KUBERNETES_VOLUME_MOUNTS"}
_SHAPES: Final[dict[type, str]] = {
    dict: 'an object: {"volumes": ["exports:/srv/aggregation/exports"]}',
    list: 'a list in the form of a pod: [{"name": "exports", ...}]',
}


class ContainerSettings(BaseModel):
    """Where the containers of runs come from, and what they are given. Names as in Kubernetes and Docker."""

    # The image of this service, which holds the code and its own dagster.yaml.
    run_image: str | None = None

    kubernetes_namespace: str = "default"
    kubernetes_service_account: str = "default"
    # The config map whose key `dagster.yaml` is mounted over that of the image.
    kubernetes_config_map: str | None = None
    kubernetes_env_secrets: tuple[str, ...] = ()
    kubernetes_env_config_maps: tuple[str, ...] = ()
    kubernetes_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    kubernetes_image_pull_secrets: tuple[str, ...] = ()
    # A file, where the daemon is not in the cluster itself.
    kubernetes_kubeconfig: Path | None = None
    kubernetes_volumes: tuple[dict[str, Any], ...] = ()
    kubernetes_volume_mounts: tuple[dict[str, Any], ...] = ()

    docker_host: str = _SOCKET
    docker_network: str | None = None
    # Names of variables that the container of a run gets as they are here, or NAME=value.
    docker_env: tuple[str, ...] = ()
    # Arguments of Docker's `containers.create`: {"volumes": ["exports:/srv/aggregation/exports"]}.
    docker_container_kwargs: dict[str, Any] = {}

    @field_validator(
        "kubernetes_env_secrets",
        "kubernetes_env_config_maps",
        "kubernetes_image_pull_secrets",
        "docker_env",
        mode="before",
    )
    @classmethod
    def _split_container_names(cls, value: object) -> object:
        return split_list(value) if isinstance(value, str) else value

    @field_validator("kubernetes_namespace", "kubernetes_service_account", "kubernetes_config_map")
    @classmethod
    def _refuse_bad_name(cls, value: str | None) -> str | None:
        return None if value is None else _name_in_kubernetes(value)

    @field_validator("kubernetes_env_secrets", "kubernetes_env_config_maps", "kubernetes_image_pull_secrets")
    @classmethod
    def _refuse_bad_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_name_in_kubernetes(name) for name in value)

    @field_validator("run_image")
    @classmethod
    def _refuse_blanks(cls, value: str | None) -> str | None:
        if value is not None and (not value or any(character.isspace() for character in value)):
            raise ValueError("one image is expected, without blanks: registry.example.com/data-aggregation:0.1.0")
        return value

    @field_validator("docker_env")
    @classmethod
    def _refuse_bad_variables(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # What is refused may be the second half of a password with a comma: it is not repeated.
        for number, each in enumerate(value, 1):
            if not _VARIABLE.fullmatch(each.partition("=")[0]):
                raise ValueError(
                    f"item {number} is neither NAME nor NAME=value, with commas between several; a value with a comma"
                    " is given as NAME alone, and stands in the environment of the daemon and of the UI"
                )
        return value

    @field_validator("kubernetes_volumes", "kubernetes_volume_mounts", "docker_container_kwargs", mode="before")
    @classmethod
    def _read_json(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        try:
            read = json.loads(value)
        except ValueError:
            raise ValueError("JSON is expected, as Kubernetes and Docker take it") from None
        wanted: type = dict if info.field_name == "docker_container_kwargs" else list
        if type(read) is not wanted:
            raise ValueError(f"JSON is expected, {_SHAPES[wanted]}")
        return tuple(read) if isinstance(read, list) else read

    def container_problems(self, runner: str, *, folder_store: bool = False) -> list[str]:
        """Name what a runner of containers needs and does not have. `folder_store`: files go to STORAGE_DIR."""
        if runner not in ("kubernetes", "docker"):
            return []
        found = []
        if self.run_image is None:
            found.append(
                f"RUNNER={runner} needs RUN_IMAGE, the image of this service that the container of each run is made"
                " from: registry.example.com/data-aggregation:0.1.0"
            )
        if runner == "kubernetes" and self.kubernetes_config_map is None:
            found.append(
                "RUNNER=kubernetes needs KUBERNETES_CONFIG_MAP, a config map that holds dagster.yaml: kubectl create"
                " configmap aggregation-dagster --from-file=dagster.yaml"
            )
        kwargs = self.docker_container_kwargs
        mounts = self.kubernetes_volume_mounts if runner == "kubernetes" else [kwargs.get(name) for name in _MOUNTS]
        if folder_store and not any(mounts):
            found.append(
                f"RUNNER={runner} with files in STORAGE_DIR, and {_MOUNTED_BY[runner]} mounts nothing: a run would"
                " write into its own container, and its files would be gone with it. Mount the shared folder there, or"
                " set OSS_BUCKET"
            )
        return found

    def require_docker_socket(self) -> None:
        """Raise ValueError where DOCKER_HOST names a socket of this machine that is not there."""
        path = self.docker_host.removeprefix("unix://")
        if path != self.docker_host and not Path(path).is_socket():
            raise ValueError(
                f"RUNNER=docker: there is no Docker socket at {path}. Mount it into the containers of the daemon and of"
                " the UI, or set DOCKER_HOST; who can write to it is root on that machine"
            )


def _name_in_kubernetes(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name in Kubernetes is expected: lowercase letters, digits, '-' and '.' make it")
    return value
