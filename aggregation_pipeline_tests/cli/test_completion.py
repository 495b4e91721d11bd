"""What the shell completes: commands, options, and names of tables, windows and formats."""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import aggregation_pipeline
from aggregation_pipeline.cli import complete_names
from aggregation_pipeline.cli.commands_page import all_commands
from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.upgrade.first_format import sample_store

CONFIG = """
tables:
  users: {}
  orders: {partition: {column: created_at, every: day, start: 2026-01-01}}
  '订单 明细': {table: orders}
  order_items: {selct_fields: [a mistake is no reason to offer nothing]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an aggregation.yaml, and a window of the table users."""
    sample_store(tmp_path)
    (tmp_path / "aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / ".env").write_text("AGGREGATION_CONFIG=aggregation.yaml\nSTORAGE_DIR=store\nOSS_PREFIX=daily\n")
    monkeypatch.chdir(tmp_path)
    use_environment(monkeypatch, environment_without_settings())
    return tmp_path


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    complete = ShellComplete(main, {}, "aggregation-pipeline", "_AGGREGATION_PIPELINE_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["batch-"], ["batch-jobs"]),
        (["batch-jobs", "t"], ["test", "trend"]),
        (["batch-jobs", "test", "--l"], ["--logic"]),
        (["files", "--table", ""], ["order_items", "orders", "users"]),
        (["download", "--table", "u"], ["users"]),
        (["run", "--tables", "orders,"], ["orders,order_items", "orders,users"]),
        (["run", "--formats", "csv,e"], ["csv,excel"]),
        (["backfill", "--table", "users", "--from", "2026"], ["2026-11-20"]),
        (["files", "--table", "users", "--window", ""], ["latest", "2026-11-20"]),
        (["files", "--table", "orders", "--window", ""], ["latest"]),
        (["files", "--window", "2"], []),
        (["diff", "--table", "users", "--window", "2"], ["2026-11-20"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_what_is_offered(words: Sequence[str], expected: Sequence[str], folder: Path):
    assert offered(*words) == expected


# Tables of a live database, of which nobody has asked yet what it holds.
OF_THE_DATABASE = "aggregation-pipeline init"


def test_every_option_that_takes_a_table_or_a_window_offers_some(folder: Path):
    for path, command in all_commands():
        context = click.Context(command, info_name=path)
        context.params["table"] = "users"
        for option in command.params:
            if option.opts[0] in {"--table", "--tables", "--window"} and path != OF_THE_DATABASE:
                assert option.shell_complete(context, ""), f"{path} {option.opts[0]}: set shell_complete"


def test_windows_of_a_bucket_are_offered(folder: Path, oss_server: OssServer, monkeypatch: pytest.MonkeyPatch):
    for path in sorted((folder / "store").rglob("*")):
        if path.is_file():
            key = path.relative_to(folder / "store").as_posix()
            oss_server.bucket.put(key, path.read_bytes(), {})
    for name, value in {**oss_variables(oss_server), "DB_USER": "", "OSS_PREFIX": "daily"}.items():
        monkeypatch.setenv(name, value)
    assert offered("files", "--table", "users", "--window", "") == ["latest", "2026-11-20"]


@pytest.mark.parametrize(
    "broken",
    [
        {"aggregation.yaml": "tables: ["},
        {"aggregation.yaml": "- a list"},
        {".env": "no assignment"},
        {".env": "AGGREGATION_CONFIG=nowhere.yaml\nOSS_BUCKET=b\n"},
    ],
)
def test_nothing_is_said_where_something_is_wrong(
    broken: dict[str, str], folder: Path, capfd: pytest.CaptureFixture[str]
):
    for name, text in broken.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert set(offered("run", "--tables", "")) <= {"users"}
    assert "latest" in offered("files", "--table", "users", "--window", "")
    assert capfd.readouterr() == ("", "")


def test_a_store_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch):
    never = threading.Event()

    def slow() -> Iterator[str]:
        yield "2026-11-20"
        never.wait(60)

    assert complete_names._within(0.2, slow) == ["2026-11-20"]
    never.set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str):
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_AGGREGATION_PIPELINE_COMPLETE={shell}_complete" in result.stdout


# Asks the shell itself for the words that it would offer.
ASK = {
    "bash": """
        eval "$(aggregation-pipeline completion bash)"
        complete -p aggregation-pipeline >/dev/null || exit 3
        COMP_WORDS=(aggregation-pipeline files --table us); COMP_CWORD=3
        _aggregation_pipeline_completion aggregation-pipeline
        echo "${COMPREPLY[@]}"
        """,
    "fish": """
        aggregation-pipeline completion fish | source
        complete -C "aggregation-pipeline files --table us"
        """,
    "zsh": """
        autoload -U compinit && compinit -u
        eval "$(aggregation-pipeline completion zsh)"
        [[ -n $_comps[aggregation-pipeline] ]] || exit 3
        words=(aggregation-pipeline files --table us); CURRENT=4
        compadd() { print -- $completions }
        _aggregation_pipeline_completion
        """,
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", ASK)
def test_a_real_shell_completes_a_table(shell: str, folder: Path):
    if shutil.which(shell) is None:
        missing(f"{shell} is missing: apt-get install {shell} (Debian, Ubuntu)")
    program = folder / "bin" / "aggregation-pipeline"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nfrom aggregation_pipeline.cli.main import main\nmain()\n", encoding="utf-8"
    )
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(aggregation_pipeline.__file__).parents[1]),
        "HOME": str(folder),
    }
    quiet = {"bash": ["--norc", "--noprofile"], "fish": ["--no-config"], "zsh": ["-f"]}[shell]
    done = subprocess.run(
        [shell, *quiet, "-c", textwrap.dedent(ASK[shell])],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "users" in done.stdout.split()


def test_tables_are_offered_without_what_takes_long_to_import(folder: Path):
    program = (
        "import sys; from aggregation_pipeline.cli import complete_names as names; import click\n"
        "assert 'users' in names._tables(None)\n"
        "print(sorted({'dagster', 'pydantic', 'pandas', 'pyarrow', 'sqlalchemy', 'oss2', 'sqlglot'} & {*sys.modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(aggregation_pipeline.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
