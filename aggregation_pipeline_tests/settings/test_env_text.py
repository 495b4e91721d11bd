"""What is written into a `.env` is read the same by Node's dotenv, by python-dotenv and by this project."""

import json
import random
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file
from aggregation_pipeline.settings.env_text import env_assignment, env_assignment_for_node
from aggregation_pipeline_tests.support.npm_packages import node_path, npm_packages

PARTS = [
    "'",
    '"',
    "`",
    "\\",
    "#",
    " ",
    "\n",
    "\r",
    "\r\n",
    "$",
    "${A}",
    "${",
    "}",
    "=",
    ":",
    "\t",
    "p@ss",
    "中文",
    "\\n",
    "n",
]
VALUES = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=8).map("".join),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("", 'A=""'),
        ("localhost", "A=localhost"),
        ("0 0 2 * * *", 'A="0 0 2 * * *"'),
        ("p@ss#1", 'A="p@ss#1"'),
        ("pa$$word", "A='pa$$word'"),
        ("it's", 'A="it\'s"'),
        ('say "hi" #1', "A='say \"hi\" #1'"),
        ("C:\\new folder", "A='C:\\new folder'"),
        ("two\nlines", 'A="two\\nlines"'),
        ("用户", 'A="用户"'),
        ('it\'s "both"', 'A=it\'s "both"'),
    ],
)
def test_the_plainest_line_that_all_read_alike_is_taken(value: str, line: str):
    assert env_assignment("A", value) == line


@pytest.mark.parametrize("value", ["${HOME}", "a${b:-c}d", "'\"#", "` '\"}", "`'\"\n", "nul\0", "half \ud83d"])
def test_a_value_that_they_would_read_differently_is_refused_without_repeating_it(value: str):
    with pytest.raises(SettingsError, match=r"^DB_PASSWORD ") as caught:
        env_assignment("DB_PASSWORD", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["", "A B", "数据", "A=B", "1A", "A\nB"])
def test_a_name_that_no_variable_can_have_is_refused(name: str):
    with pytest.raises(SettingsError, match="no name of a variable"):
        env_assignment(name, "1")


def test_what_only_node_reads_right_can_be_written_for_node():
    assert env_assignment_for_node("A", "${HOME}") == "A='${HOME}'"
    assert env_assignment_for_node("A", "'\"#") == "A=`'\"#`"
    with pytest.raises(SettingsError, match="quotes of every kind"):
        env_assignment_for_node("A", "'\"`#")


@given(values=st.lists(VALUES, min_size=1, max_size=4))
def test_every_value_of_a_file_is_read_back_by_both_rules(tmp_path_factory: pytest.TempPathFactory, values: list[str]):
    path, expected = tmp_path_factory.getbasetemp() / "written.env", {}
    lines = []
    for index, value in enumerate(values):
        try:
            lines.append(env_assignment(f"V{index}", value))
        except SettingsError:
            continue
        expected[f"V{index}"] = value
    assume(lines)
    path.write_text("\n".join(["# 注释 with 'quotes", *lines, ""]), "utf-8", newline="")
    assert parse_env_file(read_env_file(path), path) == expected
    assert dotenv_values(path) == expected


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0'\"`\\$\r"), max_size=40))
def test_values_without_quotes_backslashes_and_dollars_can_always_be_written(value: str):
    env_assignment("A", value)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["16.0.0", "17.4.2", "18.0.10"])
def test_the_real_dotenv_reads_them_so(tmp_path: Path, version: str):
    package = npm_packages(f"dotenv-{version}", {"dotenv": f"dotenv@{version}"}) / "dotenv"
    chosen = random.Random(version)
    written, lines = {}, []
    for index in range(4000):
        value = "".join(chosen.choices(PARTS, k=chosen.randrange(7)))
        try:
            lines.append(env_assignment(f"V{index}", value))
        except SettingsError:
            continue
        written[f"V{index}"] = value
    path = tmp_path / ".env"
    path.write_text("\n".join(lines), "utf-8", newline="")
    program = "const [p] = process.argv.slice(1); console.log(JSON.stringify(require(p).parse(fs.readFileSync(0))))"
    asked: list[str | Path] = [node_path(), "-e", program, package]
    answered = subprocess.run(asked, input=path.read_bytes(), stdout=subprocess.PIPE, check=True)
    assert json.loads(answered.stdout) == written
    assert len(written) > 2000
