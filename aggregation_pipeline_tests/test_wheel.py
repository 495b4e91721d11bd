"""The wheel holds everything that the package needs: an editable install would hide a data file that is left out."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY

DATA_FILES = (
    "alerts/create_alert_tables.sql",
    "batch_jobs/create_batch_jobs_table.sql",
    "config/aggregation.schema.json",
    "config/aggregation.yaml",
    "local/dagster.yaml",
    "py.typed",
)
# Everything that is not tracked by git, and caches.
NOT_COPIED = shutil.ignore_patterns(
    *(".git", ".venv", ".data", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "exports", "temp", "logs")
)
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a clean copy of the tree, unpacked. Nothing is downloaded: setuptools is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(REPOSITORY, folder / "tree", ignore=NOT_COPIED, symlinks=True)
    command = [sys.executable, "-c", BUILD, str(folder)]
    done = subprocess.run(command, cwd=folder / "tree", capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(unpacked: Path):
    package = REPOSITORY / "aggregation_pipeline"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    inside = {name.removeprefix("aggregation_pipeline/") for name in files if name.startswith("aggregation_pipeline/")}
    assert inside == modules | set(DATA_FILES)
    assert {name.partition("/")[0].partition("-")[0] for name in files} == {"aggregation_pipeline"}


def test_a_data_file_has_the_content_of_the_tree(unpacked: Path):
    for name in DATA_FILES:
        inside = unpacked / "aggregation_pipeline" / name
        assert inside.read_bytes() == (REPOSITORY / "aggregation_pipeline" / name).read_bytes()


def test_the_command_of_the_wheel_is_a_function_that_exists(unpacked: Path):
    (metadata,) = unpacked.glob("*.dist-info")
    (command,) = PathDistribution(metadata).entry_points.select(group="console_scripts")
    assert (command.name, callable(command.load())) == ("aggregation-pipeline", True)


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_in_an_empty_folder(unpacked: Path, tmp_path: Path):
    code = "import aggregation_pipeline; print(aggregation_pipeline.__file__)"
    code += "\nfrom aggregation_pipeline.cli.main import main; main()"
    environment = {**environment_without_settings(), "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-c", code, "demo"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{unpacked}{os.sep}")
    manifests = [json.loads(path.read_bytes()) for path in (tmp_path / "exports").glob("*/*/manifest.json")]
    assert {manifest["table"] for manifest in manifests} == {"users", "orders", "products"}
    assert {file["format"] for manifest in manifests for file in manifest["files"]} == {
        *("json", "csv", "excel", "parquet")
    }
