"""Commands that the documents name can be typed as they stand there."""

import re
import shlex
from pathlib import Path
from typing import Final

import click
import pytest
import yaml

from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.markdown import CODE_SPAN, code_blocks, read, without_code
from aggregation_pipeline_tests.support.paths import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
COMMAND: Final = re.compile(r"(?:^|[\s/`])aggregation-pipeline ((?:[^\s#|`'\"]|'[^']*'|\"[^\"]*\"| (?!\s*#))+)")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", read(REPOSITORY / "Makefile"), re.MULTILINE))


def typed(text: str) -> str:
    """All that is shown as code: blocks, indented lines and what stands in code marks."""
    blocks = [code for language, code in code_blocks(text) if language in {"", "bash"}]
    indented = re.findall(r"^ {4}(\S.*)$", without_code(text), re.MULTILINE)
    return "\n".join([*blocks, *indented, *CODE_SPAN.findall(without_code(text))])


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_target_of_make_is_there(page: Path):
    named = set(re.findall(r"(?:^|\s)make ([a-z0-9-]+)(?=\s|$)", typed(read(page)), re.MULTILINE))
    assert named - TARGETS == set()


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_command_and_option_is_there(page: Path):
    for line in COMMAND.findall(typed(read(page))):
        command: click.Command = main
        for word in shlex.split(line):
            if isinstance(command, click.Group) and not word.startswith("-"):
                assert word in command.commands, f"{page.name}: aggregation-pipeline {line}"
                command = command.commands[word]
            elif word.startswith("--"):
                options = {option for each in command.params for option in each.opts}
                assert word.partition("=")[0] in options, f"{page.name}: aggregation-pipeline {line}"


def test_commands_are_found_in_the_documents():
    found = [line for page in DOCUMENTS for line in COMMAND.findall(typed(read(page)))]
    assert len([line for line in found if "--" in line]) > 15


def test_hooks_run_what_make_lint_runs():
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", read(REPOSITORY / "Makefile"), re.MULTILINE)
    linted = re.findall(r"\$\(BIN\)/(\w+(?: (?:check|format))?)", recipe)
    (local,) = yaml.safe_load(read(REPOSITORY / ".pre-commit-config.yaml"))["repos"]
    hooked = [hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in local["hooks"]]
    assert (local["repo"], hooked) == ("local", linted)
    assert {hook["language"] for hook in local["hooks"]} == {"system"}, "nothing is fetched"


def test_the_forge_runs_the_same_gate():
    workflow = yaml.safe_load(read(REPOSITORY / ".github" / "workflows" / "ci.yml"))
    assert [step["run"] for step in workflow["jobs"]["gate"]["steps"] if "run" in step] == [".ci/run"]
