"""Simulate a large deployment: `python -m benchmarks.scale [--rows N] [--tables N] [--runs N] [--formats csv]`.

A month of batch_jobs, what a run leaves in Dagster's storage, what the code server says of many tables, a run of them
from a source that answers at once, and the requests of a window to OSS. Prints the figures that docs/scale.md has, and
judges none: they are for planning.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from rich.console import Console

from aggregation_pipeline.batch_jobs.repository import kept_repository
from aggregation_pipeline.overview.overview import Overview
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline_tests.batch_jobs.test_mirror_speed import clone
from aggregation_pipeline_tests.overview.large import NAMES, fill
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.runs import new_batch_jobs, open_instance
from aggregation_pipeline_tests.support.servers.oss import OssServer
from benchmarks.data import Source, running_source
from benchmarks.machine import describe
from benchmarks.measuring import COMMAND, ROOT, probe
from benchmarks.projects import project_variables, small_tables
from benchmarks.shapes import ORDERS
from benchmarks.storage import postgres

_SIZES: Final = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 0
"""
_OWNER: Final = "SELECT metadata #>> '{dagster,deployment}', metadata #>> '{dagster,instance}' FROM batch_jobs LIMIT 1"
_MIB: Final = 2**20


@dataclass(frozen=True)
class _Setup:
    source: Source
    new_database: Callable[[], str]
    say: Callable[[str], None]


def main() -> None:
    """Run all parts, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="runs of a month in batch_jobs")
    parser.add_argument("--runs", type=int, default=2_000, help="runs in Dagster's storage, to size one by")
    parser.add_argument("--tables", type=int, default=1_000, help="small tables of one run")
    parser.add_argument("--formats", default="all", help="formats of that run")
    given = parser.parse_args()
    progress = Console(stderr=True, highlight=False)
    # As an exception SIGTERM stops the servers too, which are processes of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(", ".join(f"{name}: {value}" for name, value in describe().items()))
    with running_source(10) as source, postgres(source, progress.print) as new_database:
        setup = _Setup(source, new_database, progress.print)
        batch_jobs(setup, given.rows)
        storage(setup, given.runs)
        messages(setup, given.tables)
        tables(setup, given.tables, given.formats)
        requests(setup)


def batch_jobs(setup: _Setup, count: int) -> None:
    """Fill batch_jobs with a month of runs, and ask what people and pages ask."""
    setup.say(f"batch_jobs: writing {count:,} rows")
    engine = new_batch_jobs(setup.new_database())
    fill(engine, count, days=30)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT count(*) FROM batch_jobs")).scalar_one()
        whole = connection.execute(sa.text("SELECT pg_total_relation_size('batch_jobs')")).scalar_one()
    print(f"batch_jobs: {rows:,} rows, {whole / _MIB:,.0f} MiB with indexes, {whole / rows:,.0f} bytes a row")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        for path in sorted((ROOT / "sql").glob("*.sql")):
            text = path.read_text(encoding="utf-8")
            if "SELECT" in text and "CREATE" not in text and "GRANT" not in text:
                # So many rows does an SQL editor show.
                asked = f"SELECT * FROM ({text.strip().removesuffix(';')}) AS asked LIMIT 1000"
                with _timed(f"batch_jobs: sql/{path.name}"):
                    connection.execute(sa.text(asked.replace(":", r"\:"))).all()
    _pages(setup, engine)
    settings = _settings(engine, setup)
    repository, close = kept_repository(settings, application_name="aggregation scale", statement_timeout=600.0)
    with engine.connect() as connection:
        owner = Owner(*connection.execute(sa.text(_OWNER)).one())
    with _timed("batch_jobs: delete the oldest day"), repository(600.0) as opened:
        opened.prune(owner, before=datetime.now(UTC) - timedelta(days=29))
    close()


def _pages(setup: _Setup, engine: sa.Engine) -> None:
    settings = _settings(engine, setup)
    with open_instance(settings.require_dagster_url()) as instance:
        rows, close = kept_repository(settings, application_name="aggregation scale", statement_timeout=60.0)
        overview = Overview(settings, instance, CurrentProject(settings), rows)

        async def visit() -> None:
            with _timed("pages: the first screen, cold"):
                await overview.morning()
            with _timed("pages: the first screen, again"):
                await overview.morning()

        asyncio.run(visit())
        close()


def _settings(engine: sa.Engine, setup: _Setup) -> Settings:
    folder = Path(tempfile.mkdtemp(dir=setup.source.folder))
    (folder / "aggregation.yaml").write_text(
        "tables:\n" + "".join(f"  {name}: {{select_fields: [id]}}\n" for name in NAMES), encoding="utf-8"
    )
    return Settings(
        dagster_pg_url=setup.new_database(),
        batch_jobs_url=engine.url.render_as_string(hide_password=False),
        aggregation_config=folder / "aggregation.yaml",
        deployment_name="prod",
    )


def storage(setup: _Setup, count: int) -> None:
    """Run one table with four formats, copy what it left, and size one run by all of them."""
    url = setup.new_database()
    _run(setup, url, tables=1)
    engine = create_engine(url, application_name="aggregation scale", statement_timeout=0)
    with engine.connect() as connection:
        run_id = connection.execute(sa.text("SELECT run_id FROM runs")).scalar_one()
        events = connection.execute(sa.text("SELECT count(*) FROM event_logs")).scalar_one()
    before = _sizes(engine)
    setup.say(f"storage: copying a run {count:,} times")
    clone(url, str(run_id), count)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    grown = {name: size - before.get(name, 0) for name, size in _sizes(engine).items()}
    engine.dispose()
    parts = ", ".join(f"{name} {size / count:,.0f}" for name, size in grown.items() if size >= count)
    print(f"storage: a run of one table leaves {events} events, and bytes with indexes: {parts}")


def _sizes(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {str(name): int(size) for name, size in connection.execute(sa.text(_SIZES))}


def messages(setup: _Setup, count: int) -> None:
    """Describe a tenth of so many tables and all of them, as the code server does for the other processes."""
    for number in (count // 10, count):
        setup.say(f"messages: of {number:,} tables")
        sample = probe("loading:described", count=number)()
        sizes = ", ".join(f"{name} {size / number:,.0f} bytes a table" for name, size in sample.figures.items())
        print(f"messages: {number:,} tables, {sample.client:,.1f} processor seconds with loading, {sizes}")


def tables(setup: _Setup, count: int, formats: str) -> None:
    """Run a tenth of so many tables of ten rows, and all of them: whether a table costs the same in both."""
    given: dict[str, Any] = {
        "address": setup.source.address,
        "url": setup.new_database(),
        "folder": str(setup.source.folder),
        "table": setup.source.fill(ORDERS, 10),
    }
    for number in (count // 10, count):
        setup.say(f"tables: a run of {number:,}")
        sample = probe("whole_runs:many", **given, count=number, formats=formats)()
        print(
            f"tables: {number:,} in one run, formats {formats}, {sample.seconds:,.0f} s by the clock,"
            f" {sample.processor / number:.3f} processor seconds a table,"
            f" {sample.figures['events'] / number:.0f} events a table, {sample.figures['grown_mb']:,.0f} MiB"
        )


def requests(setup: _Setup) -> None:
    """Publish one small table in four formats to the OSS server of the tests, twice, and count the requests."""
    with OssServer.start() as server:
        url = setup.new_database()
        place = _run(setup, url, tables=1, **oss_variables(server))
        for what in ("a window of one table in four formats", "the same window again, with equal values"):
            counts = Counter(request.method for request in server.requests)
            print(f"oss: {sum(counts.values())} requests for {what}: {json.dumps(counts)}")
            server.requests.clear()
            subprocess.run([*COMMAND, "run", "--json"], env=place, check=True, capture_output=True)


def _run(setup: _Setup, url: str, tables: int, **variables: str) -> dict[str, str]:
    """Run a project of so many small tables by the command; return its environment."""
    config = small_tables(setup.source.fill(ORDERS, 10), tables)
    own = project_variables(setup.source.address, url, str(setup.source.folder), config, OUTPUT_FORMAT="all")
    environment = os.environ | own | variables
    subprocess.run([*COMMAND, "run", "--json"], env=environment, check=True, capture_output=True)
    return environment


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {(time.monotonic() - began) * 1000:,.0f} ms")


if __name__ == "__main__":
    main()
