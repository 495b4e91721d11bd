"""How to add something, as docs/architecture.md shows it: each example is applied to a copy of the package and tested there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline_tests.support.examples import apply_edits, new_files
from aggregation_pipeline_tests.support.markdown import code_blocks, headings, read, section
from aggregation_pipeline_tests.support.paths import REPOSITORY

ADDING = section(read(REPOSITORY / "docs" / "architecture.md"), "How to add something")
EXAMPLES = [words for level, words in headings(ADDING) if level == 3]


def test_the_page_shows_how_to_add_what_people_add():
    assert EXAMPLES == ["A format", "A check", "An alert channel", "A command", "A source"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_does_what_its_own_test_says(tmp_path: Path, example: str):
    blocks = code_blocks(section(ADDING, example))
    shutil.copytree(
        REPOSITORY / "aggregation_pipeline",
        tmp_path / "aggregation_pipeline",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    apply_edits(blocks, tmp_path)
    files = new_files(blocks)
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    tests = [path for path in files if Path(path).name.startswith("test_")]
    assert tests, "an example comes with a test, as any commit does"
    ruff = [sys.executable, "-m", "ruff", "check", "--config", str(REPOSITORY / "pyproject.toml"), *files]
    linted = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *tests],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "AGGREGATION_ENV_FILE": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
