"""Dagster's PostgreSQL: storage of runs, and the locks, which need sessions that last."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.local.preflight import prove_dagster_storage, read_dagster_yaml
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.postgres.url import normalize_url, require_normalized
from aggregation_pipeline.source.findings import Finding, failure, ok, warning

_SECONDS: Final = 15.0
# Of each run, and of Dagster's three services.
_CONNECTIONS_OF_RUN: Final = 4
_CONNECTIONS_OF_SERVICES: Final = 12
# Dagster's own, where dagster.yaml says nothing.
_DEFAULT_RUNS: Final = 10
_POOLER: Final = re.compile(r"\.pooler\.supabase\.(?:com|co)$", re.IGNORECASE)
# Reserved ones are for superusers. A role may have a limit of its own.
_CONNECTIONS: Final = sa.text("""
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)
""")


def examine_postgres(case: Case) -> Iterator[Finding]:
    """Look at the server, the way to it, rights, time zone and connections."""
    url = case.settings.require_dagster_url()
    require_normalized(normalize_url(url, name="DAGSTER_PG_URL"))
    engine = create_engine(url, application_name="aggregation check")
    try:
        with closing(engine.connect()) as connection, deadline(connection, _SECONDS):
            yield ok("reach", f"it answers: version {connection.exec_driver_sql('SHOW server_version').scalar_one()}")
            yield _time_zone(connection)
            yield _sessions(connection, sa.make_url(url).host or "")
            yield _connections(connection)
    except sa.exc.SQLAlchemyError as error:
        yield failure(
            "reach",
            f"Dagster's PostgreSQL does not answer ({safe_reason(error)})",
            "Check DAGSTER_PG_URL, that the server runs, and the network between",
        )
        return
    try:
        prove_dagster_storage(url)
    except PipelineError as error:
        yield failure("rights", str(error))
    else:
        yield ok("rights", "it takes writes, and Dagster's tables can be written or created")


def _time_zone(connection: sa.Connection) -> Finding:
    zone = connection.exec_driver_sql("SHOW TimeZone").scalar_one()
    if zone == "UTC":
        return ok("time zone", "sessions are in UTC")
    return failure("time zone", f"sessions are in {zone}, and the times of runs would shift", "Unset PGTZ")


def _sessions(connection: sa.Connection, host: str) -> Finding:
    """Whether each transaction meets the same server process: a pooler by transactions loses locks without a word."""
    processes = set()
    for _ in range(3):
        processes.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        connection.rollback()
    if len(processes) > 1:
        return failure(
            "pooler",
            "a pooler gives each transaction another session, and locks would be lost",
            "Take the direct connection, or the pooler's session mode (for Supabase: port 5432)",
        )
    return ok("pooler", "Supabase's pooler, in session mode" if _POOLER.search(host) else "sessions last")


def _connections(connection: sa.Connection) -> Finding:
    left, limit = connection.execute(_CONNECTIONS).one()
    if limit >= 0 and limit < left:
        what = f"the user may have {limit} connections"
        left = limit
    else:
        what = f"{left} connections are left"
    runs = _runs_at_once()
    needed = _CONNECTIONS_OF_RUN * runs + _CONNECTIONS_OF_SERVICES
    if left >= needed:
        return ok("connections", what)
    return warning(
        "connections",
        f"{what}; {runs} runs at once and the services take about {needed}",
        "Raise max_connections or the user's limit, or lower max_concurrent_runs in dagster.yaml",
    )


def _runs_at_once() -> int:
    """How many runs dagster.yaml lets be at work at once."""
    try:
        config = read_dagster_yaml()
    except PipelineError:
        # A line of the subject `dagster` says so.
        return _DEFAULT_RUNS
    most = config.get("concurrency", {}).get("runs", {}).get("max_concurrent_runs", _DEFAULT_RUNS)
    return most if isinstance(most, int) and most >= 0 else _DEFAULT_RUNS
