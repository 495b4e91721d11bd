"""`demo` and `dev`: the whole pipeline on servers that start by themselves.

Nothing of it touches the servers that the environment or `.env` names.
"""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.table import batch_jobs
from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.config.source_kinds import DEFAULT_KIND, kind_named
from aggregation_pipeline.config.sources import split_variable
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.embedded.servers import Running, Servers, start_one_postgres, start_servers
from aggregation_pipeline.instance import log_handlers
from aggregation_pipeline.local.console import bars, console, say, show_files, show_result, show_row, table_bars
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.private_home import make_home, own_config
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.local.serve import require_free
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.project import load_project
from aggregation_pipeline.services.supervisor import Address, supervise
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.settings.value_files import SUFFIX, with_files

# Folders and logs are where the machine's user wants them. Every other setting belongs to somebody's real servers.
_KEPT_SETTINGS: Final = {"storage_dir", "temp_dir", "log_dir", "log_level", "log_format"}

# The same tables, with the one expression that PostgreSQL writes in another way.
_POSTGRESQL_CONFIG: Final = DEFAULT_CONFIG.with_name("aggregation.postgresql.yaml")


def run_demo(root: Path, kind: str = DEFAULT_KIND) -> bool:
    """Run every table once, in every format, and show the results; return whether all are completed.

    Args:
        root: the folder of the servers' data.
        kind: of the source: mysql or postgresql.

    Raises:
        ConfigError: what reads the kind is not installed.
    """
    with _shop(root, kind) as servers, _environment(demo_environment(servers, root)):
        settings = load_settings()
        log_handlers.configure(settings, terminal=False)
        project = load_project(settings)
        say("Computing, rendering and publishing")
        with open_instance(project) as instance, table_bars() as observer:
            result = run_tables(project, build_definitions(project, observer), instance, tables=None, formats=None)
        console.print()
        show_result(result)
        show_files(result.files)
        console.print()
        show_row(_batch_jobs_row(settings, result.batch_job_id))
        _say_what_next(settings, kind)
    return result.status == "completed"


def run_dev(root: Path, port: int, kind: str = DEFAULT_KIND) -> int:
    """Run Dagster's services on the embedded servers until they are stopped; return the exit code.

    Raises:
        ConfigError: as for `run_demo`.
    """
    address = Address("127.0.0.1", port)
    require_free(address, "aggregation-pipeline dev")
    with _shop(root, kind) as servers:
        environment = {**_without_settings(), **_folders(), **demo_environment(servers, root)}
        variables = _write_variables(root, demo_environment(servers, root))
        console.print(
            f"Dagster's UI: [bold]http://127.0.0.1:{port}[/] in about ten seconds (Ctrl-C stops it and the servers)"
        )
        say(f"In another terminal, `. {variables}` lets aggregation-pipeline plan, run, ... use these servers.")
        try:
            # In a folder of its own: Dagster reads the .env of its working folder, and yours names real servers.
            supervise(environment, Path(environment["DAGSTER_HOME"]), address, say=say)
        finally:
            variables.unlink()
    return 0


def _write_variables(root: Path, variables: Mapping[str, str]) -> Path:
    """Write a file that points a shell to the embedded servers, and away from any other. Tables stay selectable."""
    path = root / "dev.env"
    kept = {name.upper() for name in _KEPT_SETTINGS | {"aggregation_config"}}
    others = sorted({*with_files(Settings.model_fields), *filter(_is_of_source, os.environ)} - kept)
    lines = [f"unset {' '.join(others)}", *(f"export {name}={shlex.quote(value)}" for name, value in variables.items())]
    # Then the commands in README work as they stand there.
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def demo_environment(servers: Running, root: Path) -> dict[str, str]:
    """Return the variables of a deployment on the embedded servers, in every format."""
    own_tables = {} if isinstance(servers, Servers) else {"AGGREGATION_CONFIG": str(_POSTGRESQL_CONFIG)}
    return {
        **servers.environ(),
        **own_tables,
        "OUTPUT_FORMAT": "all",
        "DEPLOYMENT_NAME": "demo",
        "AGGREGATION_ENV_FILE": os.devnull,
        "DAGSTER_HOME": str(make_home(root / "dagster", own_config())),
    }


def _folders() -> dict[str, str]:
    """Return the folders for files as absolute paths, for a process with another working folder."""
    wanted = {
        name: os.environ.get(name.upper()) or Settings.model_fields[name].default
        for name in ("storage_dir", "temp_dir", "log_dir")
    }
    return {name.upper(): str(Path(folder).absolute()) for name, folder in wanted.items()}


@contextmanager
def _shop(root: Path, kind: str) -> Iterator[Running]:
    # Whether it can be read is known before anything starts.
    kind_named(kind)
    start = start_servers if kind == DEFAULT_KIND else start_one_postgres
    say("Starting seekdb (MySQL protocol) and PostgreSQL" if kind == DEFAULT_KIND else "Starting PostgreSQL")
    with start(root, report=say) as servers:
        with bars() as display:
            task = display.add_task("Loading the sample shop", total=None)
            today = datetime.now(ZoneInfo(Settings.model_fields["timezone"].default)).date()
            servers.load_shop(today, lambda done, total: display.update(task, completed=done, total=total))
        yield servers


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Give this process `variables` instead of its own configuration while the block runs."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({**_without_settings(before), **variables})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _without_settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    ours = {*with_files(Settings.model_fields)} - {name.upper() for name in _KEPT_SETTINGS}
    return {
        name: value
        for name, value in (environ or os.environ).items()
        if name.upper() not in ours and not _is_of_source(name)
    }


def _is_of_source(name: str) -> bool:
    """Whether a variable says where a database by name is."""
    return split_variable(name.upper().removesuffix(SUFFIX)) is not None


def _batch_jobs_row(settings: Settings, run_id: str) -> dict[str, Any]:
    columns = [column for column in batch_jobs.c if column.name != "metadata"]
    engine = create_engine(settings.require_batch_jobs_url(), application_name="aggregation demo")
    with engine.connect() as connection:
        row = connection.execute(sa.select(*columns).where(batch_jobs.c.id == run_id)).mappings().one()
    engine.dispose()
    return dict(row)


def _say_what_next(settings: Settings, kind: str) -> None:
    console.print(
        f"\nThe files are in [bold]{settings.storage_dir}/[/]. The manifest.json of each window lists them with rows"
        " and checksums."
    )
    with_source = "" if kind == DEFAULT_KIND else f" SOURCE={kind}"
    console.print(
        f"Next: [bold]make dev{with_source}[/] opens the same tables in Dagster's UI; README.md says how to point it at"
        f" your own {kind_named(kind).title}."
    )
