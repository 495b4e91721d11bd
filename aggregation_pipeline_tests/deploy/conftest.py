"""What the Dockerfile builds, as far as that goes without Docker."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation_pipeline_tests.deploy.compose import instructions, reachable_python
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing

_FOLDER = "/opt/aggregation"


@pytest.fixture(scope="package")
def image(server_folder: Path) -> Iterator[Path]:
    """The folder that the image has as /opt/aggregation, made by the commands of the Dockerfile, and read-only."""
    if os.geteuid() != 0:
        pytest.skip("only root can run things as the user of a container")
    python = reachable_python()
    if python is None:
        missing("no Python of this version that every user may run: apt-get install python3-venv python3-dev")
    folder, build = server_folder / "image", server_folder / "build"
    _copy_context(build)
    defaults = dict(rest.split("=", 1) for word, rest in instructions() if word == "ARG" and "=" in rest)
    # With what the profile workers needs.
    arguments = defaults | {"LOCK": "celery"} | os.environ
    for word, rest in instructions():
        if word == "RUN" and _FOLDER in rest:
            command = rest.replace(_FOLDER, str(folder)).replace("python -m venv", f"{python} -m venv")
            done = subprocess.run(
                ["sh", "-ec", command],
                cwd=build,
                env=arguments,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    shutil.rmtree(build)
    # Root may write everywhere: so nothing may belong to the user who runs it.
    yield folder
    shutil.rmtree(folder)


def _copy_context(build: Path) -> None:
    """Copy what the stage that builds copies. Extension modules of this machine are not among it: .dockerignore."""
    copies = [rest.split() for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    for *sources, target in copies:
        if target.startswith("/"):
            continue
        for source in sources:
            path = REPOSITORY / source
            if path.is_dir():
                # As COPY does, links stay links.
                ignored = shutil.ignore_patterns("__pycache__", "*.so")
                shutil.copytree(path, build / target, symlinks=True, ignore=ignored)
            else:
                (build / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, build / target)
