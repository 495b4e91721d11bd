"""How to add something, as docs/architecture.md shows it: each example is tried on a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline_tests.support.examples import apply_example
from aggregation_pipeline_tests.support.markdown import code_blocks, headings, read, section
from aggregation_pipeline_tests.support.paths import REPOSITORY

ADDING = section(read(REPOSITORY / "docs" / "architecture.md"), "How to add something")
EXAMPLES = [words for level, words in headings(ADDING) if level == 3]


def test_the_page_shows_how_to_add_what_people_add():
    assert EXAMPLES == ["A format", "A check", "An alert channel", "A command"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the package."""
    package = "aggregation_pipeline"
    shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(copy: Path, *command: str) -> None:
    environment = {"PYTHONPATH": str(copy), "AGGREGATION_ENV_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=copy,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_passes_lint(copy: Path, example: str):
    paths = apply_example(code_blocks(section(ADDING, example)), copy)
    settings = ("--no-cache", "--config", str(REPOSITORY / "pyproject.toml"))
    run(copy, "ruff", "check", *settings, *paths)
    run(copy, "ruff", "format", "--check", *settings, *paths)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_passes_its_own_test(copy: Path, example: str):
    paths = apply_example(code_blocks(section(ADDING, example)), copy)
    tests = [path for path in paths if Path(path).name.startswith("test_")]
    assert tests, "an example comes with a test, as any commit does"
    run(copy, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *tests)
