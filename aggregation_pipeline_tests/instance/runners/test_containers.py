"""RUNNER=docker and kubernetes: what a run's container is, as their own servers and schemas see it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun, job, op
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from kubernetes.client import ApiClient, Configuration

from aggregation_pipeline.errors import LaunchError, SettingsError
from aggregation_pipeline.instance.run_launcher import ChosenRunLauncher
from aggregation_pipeline.instance.run_needs import DOCKER_TAG, KUBERNETES_TAG, tags_of
from aggregation_pipeline.instance.runners.docker import DockerLauncher
from aggregation_pipeline.instance.runners.kubernetes import KubernetesLauncher
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.deployment import use_environment
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.docker_engine import DockerEngine

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

NEEDS = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
CODE = JobPythonOrigin("one", RepositoryPythonOrigin("python", ModuleCodePointer("their.module", "defs", None)))
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
    "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "here", "user": {"token": "x"}}],
}


@op
def nothing() -> None:
    """Do nothing."""


@job
def one() -> None:
    """Run it."""
    nothing()


@pytest.fixture(scope="module")
def instance(postgres: "PostgresServer") -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def enter(**variables: str) -> None:
        base = {
            "AGGREGATION_ENV_FILE": os.devnull,
            "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1/none",
            "PATH": os.environ["PATH"],
            "STORAGE_SHARED": "true",
            "STORAGE_DIR": str(tmp_path / "exports"),
        }
        use_environment(monkeypatch, base | variables)

    return enter


def new_run(instance: DagsterInstance, **tags: str) -> DagsterRun:
    return instance.create_run_for_job(one, tags=tags_of([NEEDS]) | tags, job_code_origin=CODE)


def test_a_run_is_a_container_that_is_created_started_watched_and_stopped(
    instance: DagsterInstance, environment: Any, tmp_path: Path
):
    with DockerEngine(tmp_path / "docker.sock").serving() as engine:
        environment(
            RUNNER="docker",
            RUN_IMAGE="registry.example.com/data-aggregation:0.1.0",
            DOCKER_HOST=f"unix://{engine.socket}",
            DOCKER_NETWORK="shop",
            DOCKER_ENV="DB_HOST=mysql, PATH",
            DOCKER_CONTAINER_KWARGS='{"volumes": ["exports:/srv/aggregation/exports"], "stop_timeout": 7}',
        )
        launcher = ChosenRunLauncher.from_config_value(None, {})
        assert isinstance(launcher, DockerLauncher)
        launcher.register_instance(instance)
        run = new_run(instance)
        launcher.launch_run(LaunchRunContext(run, None))
        ((container, created),) = engine.created.items()
        assert engine.states[container] == "running"
        assert created["Image"] == "registry.example.com/data-aggregation:0.1.0"
        assert {"DB_HOST=mysql", f"PATH={os.environ['PATH']}"} <= set(created["Env"])
        limits = {name: created["HostConfig"][name] for name in ("Memory", "MemoryReservation", "CpuShares")}
        assert limits == {"Memory": 2 << 30, "MemoryReservation": 1 << 30, "CpuShares": 512}
        assert created["HostConfig"]["NetworkMode"] == "shop"
        assert created["HostConfig"]["Binds"] == ["exports:/srv/aggregation/exports"]
        stored = instance.get_run_by_id(run.run_id)
        assert stored is not None
        assert launcher.check_run_worker_health(stored).status == WorkerStatus.RUNNING
        assert launcher.terminate(run.run_id)  # type: ignore[no-untyped-call]
        assert engine.stop_timeouts == ["t=7"]
        assert launcher.check_run_worker_health(stored).status == WorkerStatus.FAILED
        for wanted in ('{"privileged": true}', '{"mem_limit": "1g"}', "{", '["a"]'):
            # Whoever may launch a run may give it any tag.
            with pytest.raises(LaunchError, match=r"the tag aggregation/container of run .* is refused"):
                launcher.launch_run(LaunchRunContext(new_run(instance, **{DOCKER_TAG: wanted}), None))
        assert len(engine.created) == 1


def test_a_run_is_a_job_that_kubernetes_takes(
    instance: DagsterInstance, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG), encoding="utf-8")
    environment(
        RUNNER="kubernetes",
        RUN_IMAGE="registry.example.com/data-aggregation:0.1.0",
        KUBERNETES_NAMESPACE="aggregation",
        KUBERNETES_SERVICE_ACCOUNT="aggregation-runs",
        KUBERNETES_CONFIG_MAP="aggregation-dagster",
        KUBERNETES_ENV_SECRETS="aggregation, more",
        KUBERNETES_KUBECONFIG=str(tmp_path / "kubeconfig"),
        KUBERNETES_VOLUMES='[{"name": "tmp", "emptyDir": {}}]',
        KUBERNETES_VOLUME_MOUNTS='[{"name": "tmp", "mountPath": "/tmp"}]',
    )
    launcher = ChosenRunLauncher.from_config_value(None, {})
    assert isinstance(launcher, KubernetesLauncher)
    launcher.register_instance(instance)
    sent: list[tuple[Any, str]] = []
    # The request, one step before it goes to a cluster.
    monkeypatch.setattr(
        type(launcher._api_client),
        "create_namespaced_job_with_retries",
        lambda _self, body, namespace: sent.append((body, namespace)),
    )
    launcher.launch_run(LaunchRunContext(new_run(instance), None))
    ((body, namespace),) = sent
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        **ApiClient(Configuration()).sanitize_for_serialization(body),
    }
    assert namespace == "aggregation"
    (tmp_path / "job.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("kubernetes-validate"), "--strict", "-k", "1.29", tmp_path / "job.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (pod["serviceAccountName"], container["image"]) == (
        "aggregation-runs",
        "registry.example.com/data-aggregation:0.1.0",
    )
    assert container["resources"] == NEEDS
    assert [each["secretRef"]["name"] for each in container["envFrom"]] == ["aggregation", "more"]
    assert manifest["spec"]["backoffLimit"] == 0
    for wanted in (
        {"container_config": {"image": "another", "resources": {}}},
        {"container_config": {"env": [{"name": "A", "value": "b"}]}},
        {"pod_spec_config": {"service_account_name": "admin", "host_network": True}},
        {"pod_template_spec_metadata": {"labels": {"a": "b"}}},
    ):
        # Whoever may launch a run may give it any tag.
        with pytest.raises(Exception, match="allow"):
            launcher.launch_run(LaunchRunContext(new_run(instance, **{KUBERNETES_TAG: json.dumps(wanted)}), None))
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"RUNNER": "docker"}, "RUNNER=docker needs RUN_IMAGE"),
        ({"RUNNER": "kubernetes", "RUN_IMAGE": "a"}, "RUNNER=kubernetes needs KUBERNETES_CONFIG_MAP"),
        (
            {"RUNNER": "kubernetes", "RUN_IMAGE": "a", "KUBERNETES_CONFIG_MAP": "b", "STORAGE_SHARED": "false"},
            "RUNNER=kubernetes with files in STORAGE_DIR",
        ),
        ({"RUNNER": "docker", "RUN_IMAGE": "a", "STORAGE_SHARED": "false"}, "each container would write into a folder"),
        (
            {"RUNNER": "docker", "RUN_IMAGE": "a", "DOCKER_CONTAINER_KWARGS": '{"stop_timeout": 7}'},
            "files in STORAGE_DIR, and DOCKER_CONTAINER_KWARGS mounts nothing: .* Mount the shared folder there",
        ),
        (
            {"RUNNER": "kubernetes", "RUN_IMAGE": "a", "KUBERNETES_CONFIG_MAP": "b"},
            "files in STORAGE_DIR, and KUBERNETES_VOLUME_MOUNTS mounts nothing",
        ),
        ({"RUNNER": "docker", "RUN_IMAGE": "a", "DOCKER_CONTAINER_KWARGS": "{"}, "JSON is expected"),
        ({"RUNNER": "docker", "RUN_IMAGE": "a", "DOCKER_CONTAINER_KWARGS": "[]"}, "JSON is expected, an object"),
        ({"RUNNER": "docker", "RUN_IMAGE": "a b"}, "RUN_IMAGE: one image is expected"),
        ({"RUNNER": "docker", "RUN_IMAGE": "a", "DOCKER_ENV": "A=b,c d"}, "DOCKER_ENV: item 2 is neither NAME nor"),
        ({"RUNNER": "kubernetes", "KUBERNETES_NAMESPACE": "A b"}, "KUBERNETES_NAMESPACE: a name in Kubernetes"),
        ({"RUNNER": "kubernetes", "KUBERNETES_ENV_SECRETS": "a, B"}, "KUBERNETES_ENV_SECRETS: a name in Kubernetes"),
        (
            {"RUNNER": "kubernetes", "KUBERNETES_VOLUMES": '{"name": "a"}'},
            "KUBERNETES_VOLUMES: JSON is expected, a list",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_reason(
    environment: Any, variables: dict[str, str], problem: str
):
    environment(**variables)
    with pytest.raises(SettingsError, match=problem):
        load_settings()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"RUNNER": "docker", "DOCKER_HOST": "unix:///none/docker.sock"}, "there is no Docker socket at"),
        ({"RUNNER": "docker", "RUN_IMAGE": ""}, "needs RUN_IMAGE"),
        (
            {"RUNNER": "docker", "DOCKER_HOST": "tcp://h:1", "DOCKER_CONTAINER_KWARGS": '{"name": "a"}'},
            "DOCKER_CONTAINER_KWARGS: name cannot be there",
        ),
        ({"RUNNER": "kubernetes"}, "this process is in no pod, so KUBERNETES_KUBECONFIG has to name"),
        ({"RUNNER": "kubernetes", "KUBERNETES_KUBECONFIG": "/none"}, "KUBERNETES_KUBECONFIG: /none is not there"),
        ({"RUNNER": "kubernetes", "KUBERNETES_KUBECONFIG": __file__}, "or is no kubeconfig"),
    ],
)
def test_what_cannot_be_reached_is_refused_with_the_variable_that_names_it(
    environment: Any, variables: dict[str, str], problem: str
):
    environment(**{"RUN_IMAGE": "a", "KUBERNETES_CONFIG_MAP": "b", **variables})
    with pytest.raises(SettingsError, match=problem):
        ChosenRunLauncher.from_config_value(None, {})


def test_a_docker_that_does_not_answer_fails_the_run_with_the_name_of_its_variable(
    instance: DagsterInstance, environment: Any
):
    environment(RUNNER="docker", RUN_IMAGE="a", DOCKER_HOST="tcp://127.0.0.1:1")
    launcher = ChosenRunLauncher.from_config_value(None, {})
    launcher.register_instance(instance)
    with pytest.raises(LaunchError, match="Docker is not reached at DOCKER_HOST"):
        launcher.launch_run(LaunchRunContext(new_run(instance), None))
