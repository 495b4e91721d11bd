"""A Dagster project of somebody else, in a folder of its own, with components of ours."""

import itertools
import os
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from dagster import Definitions, load_from_defs_folder

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.value_files import with_files
from aggregation_pipeline_tests.support.paths import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "dagster_project"
_numbers = itertools.count()


@dataclass(frozen=True)
class HostProject:
    """A project whose package no other test has imported. `write` adds a file below `defs/`."""

    package: Path

    def write(self, name: str, text: str) -> Path:
        path = self.package / "defs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def load(self) -> Definitions:
        return load_from_defs_folder(path_within_project=self.package)


def new_host(folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> HostProject:
    """Make an empty project, and configure this process by these variables alone."""
    for name in with_files(Settings.model_fields):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "AGGREGATION_ENV_FILE": os.devnull,
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "LOG_DIR": str(folder / "logs"),
        "REPORTS_FOLDER": str(folder / "reports"),
        **variables,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"host_project_{next(_numbers)}"
    (folder / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{name}"\n'
    )
    host = HostProject(folder / name)
    (host.package / "defs").mkdir(parents=True)
    (host.package / "__init__.py").touch()
    (host.package / "defs" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(folder))
    return host


def registration(folder: Path) -> Path:
    """Make of pyproject.toml what an installer makes of its entry points, for a checkout that is not installed anew."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"aggregation_pipeline-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n{name} = {value}\n" for group, points in groups for name, value in points.items()]
    (info / "entry_points.txt").write_text("".join(lines))
    return folder
