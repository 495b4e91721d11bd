"""Which versions the services of this machine run: each notes them in its claim when it starts.

A service goes on with the code that it has loaded, whatever is installed meanwhile. So this is asked of the process,
and not of the installation.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Final

from aggregation_pipeline.services.private_folder import claims_of_running_services

PACKAGES: Final = ("aggregation-pipeline", "dagster", "dagster-webserver", "dagster-postgres")
_LARGEST: Final = 10_000


@dataclass(frozen=True)
class RunningService:
    """A process of a supervisor on this machine.

    Attributes:
        name: such as `daemon`.
        versions: by package, as they were when it started; empty where it has not said so.
    """

    name: str
    pid: int
    versions: Mapping[str, str]


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that this process would load."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def note_versions(claimed: IO[bytes]) -> None:
    """Note the versions of this process, and its DAGSTER_HOME, in its claim. On a full disk there is no note."""
    note = {"versions": installed_versions(), "home": os.environ.get("DAGSTER_HOME")}
    with suppress(OSError):
        claimed.write(json.dumps(note).encode())
        claimed.flush()


def running_services(home: Path) -> list[RunningService]:
    """Return the services that work with this DAGSTER_HOME, as far as this user may look at them."""
    found = []
    for name, pid, claim in claims_of_running_services():
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with claim.open("rb") as file:
                note = json.loads(file.read(_LARGEST))
            if note["home"] is not None and Path(note["home"]) == home:
                versions = {str(package): str(number) for package, number in note["versions"].items()}
                found.append(RunningService(name, pid, versions))
    return sorted(found, key=lambda each: (each.name, each.pid))
