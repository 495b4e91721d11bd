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

from aggregation_pipeline.config.source_kinds import GROUP, OWN_KINDS
from aggregation_pipeline.native.kernels import COMPILED
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY

DATA_FILES = (
    "access/common_passwords.txt",
    "access/create_access_tables.sql",
    "alerts/create_alert_tables.sql",
    "batch_jobs/create_batch_jobs_table.sql",
    "comparison/report/templates/report.css",
    "comparison/report/templates/report.html",
    "config/aggregation.postgresql.yaml",
    "config/aggregation.schema.json",
    "config/aggregation.yaml",
    "local/dagster.yaml",
    "native/_kernels.pyi",
    "native/_rows.pyi",
    *(f"node_import/evaluating/{name}.cjs" for name in ("evaluate", "racer", "sandbox")),
    "py.typed",
    "web/common/templates/frame.html",
    *(f"web/pages/templates/{name}.html" for name in ("batch", "day", "macros", "message", "morning", "page", "table")),
    *(f"web/sign_in/templates/{name}.html" for name in ("account", "page", "password", "sign_in")),
    *(f"web/{room}/templates/style.css" for room in ("common", "pages", "sign_in")),
)
KERNELS = {"native/_kernels.abi3.so", "native/_rows.abi3.so"}
# Everything that is not tracked by git, and caches.
NOT_COPIED = shutil.ignore_patterns(
    *(".git", ".venv", ".data", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "exports", "temp", "logs"),
    *("*.so",),
)
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def build(folder: Path, **variables: str) -> Path:
    """The wheel of a clean copy of the tree, unpacked. Nothing is downloaded: setuptools is installed."""
    shutil.copytree(REPOSITORY, folder / "tree", ignore=NOT_COPIED, symlinks=True)
    command = [sys.executable, "-c", BUILD, str(folder)]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        command, cwd=folder / "tree", env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def files_of_the_package(unpacked: Path) -> set[str]:
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {name.partition("/")[0].partition("-")[0] for name in files} == {"aggregation_pipeline"}
    return {name.removeprefix("aggregation_pipeline/") for name in files if name.startswith("aggregation_pipeline/")}


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(unpacked: Path):
    package = REPOSITORY / "aggregation_pipeline"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    compiled = KERNELS if COMPILED else set()
    assert files_of_the_package(unpacked) == modules | set(DATA_FILES) | compiled


@pytest.mark.slow
def test_without_a_compiler_the_wheel_is_the_same_but_for_the_kernels(unpacked: Path, tmp_path: Path):
    without = build(tmp_path, CC="/bin/false")
    assert files_of_the_package(without) == files_of_the_package(unpacked) - KERNELS
    code = "from aggregation_pipeline.native.kernels import COMPILED; print(COMPILED)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=without, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


def test_a_data_file_has_the_content_of_the_tree(unpacked: Path):
    for name in DATA_FILES:
        inside = unpacked / "aggregation_pipeline" / name
        assert inside.read_bytes() == (REPOSITORY / "aggregation_pipeline" / name).read_bytes()


def test_the_command_of_the_wheel_is_a_function_that_exists(unpacked: Path):
    (metadata,) = unpacked.glob("*.dist-info")
    (command,) = PathDistribution(metadata).entry_points.select(group="console_scripts")
    assert (command.name, callable(command.load())) == ("aggregation-pipeline", True)


def test_the_kinds_of_sources_are_declared_in_the_wheel(unpacked: Path):
    (metadata,) = unpacked.glob("*.dist-info")
    declared = PathDistribution(metadata).entry_points.select(group=GROUP)
    assert {kind.name: kind.value for kind in declared} == OWN_KINDS
    assert [kind.load().name for kind in declared] == [*OWN_KINDS]


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
