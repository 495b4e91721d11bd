"""docker-compose.yml without Docker: its own commands and environments, as processes of this machine.

Paths of the containers become paths below one folder, in which each volume is a folder too. Names of servers and ports
become those of test servers. All else is taken from the file, word for word.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY

DOCKERFILE: Final = REPOSITORY / "Dockerfile"
COMPOSE: Final = REPOSITORY / "docker-compose.yml"
# The user of the image.
USER: Final = 1000
_CONTAINER_PATHS: Final = ("/srv/aggregation", "/run/secrets", "/run/server-secrets", "/project", "/opt/aggregation")


def compose_file() -> dict[str, Any]:
    """Return docker-compose.yml, with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: their words, and all that follows, continued lines as one."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in pairs]


def image_environment() -> dict[str, str]:
    """Return what ENV sets in the stage that is shipped."""
    last = [number for number, (word, _) in enumerate(instructions()) if word == "FROM"][-1]
    assignments = [part for word, rest in instructions()[last:] if word == "ENV" for part in shlex.split(rest)]
    return dict(assignment.split("=", 1) for assignment in assignments)


def image_command(word: str) -> list[str]:
    """Return ENTRYPOINT or CMD of the image, which are in exec form."""
    (rest,) = [rest for found, rest in instructions() if found == word]
    command: list[str] = yaml.safe_load(rest)
    return command


@dataclass
class Containers:
    """The services of docker-compose.yml as processes.

    Attributes:
        folder: below it are the containers' paths, one for all containers.
        replaced: what else is replaced in commands and environments: names of servers, the port.
        image: the folder that stands for /opt/aggregation.
    """

    folder: Path
    image: Path
    replaced: Mapping[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def make_folders(self) -> None:
        """Make what the Dockerfile and the volumes make: a root in which only volumes are anybody's to write."""
        # Nobody else needs to list it, and everybody may pass.
        self.folder.chmod(0o711)
        for path in ("project", "run/secrets", "run/server-secrets", "srv/aggregation", "tmp"):
            (self.folder / path).mkdir(parents=True, exist_ok=True)
        for name in (".code-server", ".data", "exports", "logs", "temp", "config"):
            (self.folder / "srv/aggregation" / name).mkdir(exist_ok=True)
        (self.folder / "tmp").chmod(0o1777)

    def translate(self, text: str) -> str:
        """Return a word of the file with the paths and names of this machine, and variables by their defaults."""
        text = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
        for old, new in self.replaced.items():
            text = re.sub(rf"(?<![\w/.-]){re.escape(old)}(?![\w.-])", new, text)
        for path in _CONTAINER_PATHS:
            to = str(self.image) if path == "/opt/aggregation" else f"{self.folder}{path}"
            text = text.replace(path, to)
        return text

    def command(self, service: str) -> list[str]:
        """Return the whole command of a service."""
        entry = compose_file()["services"][service]
        # Images of others only prepare what their command needs.
        entrypoint = entry.get("entrypoint", image_command("ENTRYPOINT") if "build" in entry else [])
        return [self.translate(word) for word in [*entrypoint, *entry.get("command", image_command("CMD"))]]

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service: that of the image, and its own."""
        theirs = {**image_environment(), **compose_file()["services"][service].get("environment", {})}
        theirs["PATH"] = theirs["PATH"].replace("$PATH", os.defpath)
        found = {name: self.translate(str(value)) for name, value in theirs.items()}
        # /tmp is a file system of the container alone.
        return {**found, "HOME": str(self.folder / "tmp"), "TMPDIR": str(self.folder / "tmp")}

    def run(self, command: Sequence[str], service: str, *, root: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end where a service runs."""
        return subprocess.run(
            command, env=self.environment(service), cwd=self.folder / "srv/aggregation", capture_output=True,
            text=True, timeout=120, check=False, **({} if root else _as_user(service)),
        )  # fmt: skip

    def start(self, service: str) -> None:
        """Start a service, as its container would."""
        with (self.folder / "tmp" / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(
                self.command(service), env=self.environment(service), cwd=self.folder / "srv/aggregation",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **_as_user(service),
            )  # fmt: skip

    def healthy(self, service: str) -> bool:
        """Return whether the healthcheck of the service succeeds."""
        test = [self.translate(word) for word in compose_file()["services"][service]["healthcheck"]["test"]]
        if test[0] != "CMD":
            raise ValueError(f"{service}: a healthcheck in exec form is expected")
        try:
            return self.run(test[1:], service).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def kill(self, service: str) -> None:
        """End a container as `docker kill` does: nothing of it is left."""
        process = self.processes.pop(service)
        family = _family(process.pid)
        # The processes of a container end together, in no order.
        for pid in [process.pid, *family]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(60)

    def stop(self, service: str, seconds: float = 120) -> int:
        """Stop a container as `docker stop` does; return its exit code."""
        process = self.processes.pop(service)
        process.terminate()
        return process.wait(seconds)

    def log(self, service: str) -> str:
        """Return what the service has printed."""
        return (self.folder / "tmp" / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """End whatever still runs."""
        for service in list(self.processes):
            self.kill(service)


def _family(pid: int) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [each.pid for each in psutil.Process(pid).children(recursive=True)]
    return []


def _as_user(service: str = "code") -> dict[str, Any]:
    user, group = compose_file()["services"][service].get("user", f"{USER}:{USER}").split(":")
    return {"user": int(user), "group": int(group), "extra_groups": []}


def reachable_python() -> str | None:
    """Return an interpreter of this version that every user may run, or None."""
    names = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/local/bin/python3")
    for name in names:
        with suppress(OSError):
            done = subprocess.run(
                [os.path.realpath(name), "-c", "import sys; print(sys.version_info.minor)"],
                env=environment_without_settings(), capture_output=True, text=True, timeout=60, check=False,
                **_as_user(),
            )  # fmt: skip
            if done.stdout.strip() == str(sys.version_info.minor):
                return os.path.realpath(name)
    return None
