"""The example project, as people meet it: by `dg`, in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.host_project import EXAMPLE, registration
from aggregation_pipeline_tests.support.paths import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAME = "aggregation_pipeline.AggregationComponent"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "project")
    registration(folder / "installed")
    return folder


def dg(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run a command in the project; return what it writes."""
    paths = (folder / "installed", folder / "project", REPOSITORY)
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), *arguments],
        cwd=folder / "project",
        env={
            **environment_without_settings(),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": str(folder),
            "COLUMNS": "300",
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",
            "AGGREGATION_ENV_FILE": os.devnull,
            "REPORTS_FOLDER": str(folder / "reports"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_component_is_listed_scaffolded_and_checked(folder: Path):
    assert NAME in dg(folder, "list", "components")
    dg(folder, "scaffold", "defs", NAME, "night")
    path = folder / "project" / "shop_project" / "defs" / "night" / "defs.yaml"
    assert "key_prefix: [shop]" in path.read_text()
    path.write_text(path.read_text().replace("  # key_prefix: [shop]", "  key_prefix: [night]"))
    assert "All component YAML validated successfully" in dg(folder, "check", "yaml")
    # It has a table of the same name as the example's component.
    assert "give one of them another OSS_PREFIX" in dg(folder, "check", "defs", code=1)
    path.write_text(path.read_text().replace("  # settings:", "  settings: {OSS_PREFIX: night}\n  # settings:"))
    assert "All definitions loaded successfully" in dg(folder, "check", "defs")
    path.write_text(path.read_text().replace("group_by", "grup_by"))
    # Of several components of one type, dg checks the YAML of one.
    assert "grup_by" in dg(folder, "check", "yaml", str(path.parent), code=1)
    said = dg(folder, "check", "defs", "--no-check-yaml", code=1)
    assert f"{path}:8:7: tables.orders.grup_by: unknown key. Was group_by meant?" in said
    shutil.rmtree(path.parent)


def test_definitions_are_listed_with_the_assets_that_follow_a_table(folder: Path):
    said = dg(folder, "list", "defs", "--json")
    for key in ("aggregation/orders", "export/orders_manifest", "revenue", "announcement", "shop_aggregate"):
        assert f'"{key}"' in said
    assert "Runs of the tables of shop need PostgreSQL" in dg(folder, "check", "defs")
