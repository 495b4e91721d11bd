"""docs/commands.md is what the commands' own help says, of every command and every option."""

import click
import pytest

from aggregation_pipeline.cli.commands_page import all_commands, page
from aggregation_pipeline_tests.support.markdown import read
from aggregation_pipeline_tests.support.paths import REPOSITORY


def test_the_page_is_what_the_help_says():
    assert read(REPOSITORY / "docs" / "commands.md") == page(), (
        "python -m aggregation_pipeline.cli.commands_page > docs/commands.md"
    )


@pytest.mark.parametrize(("path", "command"), [*all_commands()], ids=str)
def test_each_command_says_what_it_does_and_so_does_each_option(path: str, command: click.Command):
    assert command.help
    assert command.get_short_help_str()
    section = page().split(f" {path}\n", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{path} {option.opts[0]}"
            assert option.opts[0] in section
