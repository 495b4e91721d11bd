"""The probes of one deployment's web process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

from dagster._core.workspace.context import WorkspaceProcessContext

from aggregation_pipeline.health.batch_jobs import batch_jobs_check
from aggregation_pipeline.health.code_location import code_problem
from aggregation_pipeline.health.daemon import daemon_problem
from aggregation_pipeline.health.files import files_check
from aggregation_pipeline.health.postgres import PostgresCheck
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.health.sensors import mirror_problem, stopped_sensors
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import source_options

# The name of the probe that says whether the service can be used at all.
CODE_LOCATION: Final = "codeLocation"


@contextmanager
def open_probes(settings: Settings, context: WorkspaceProcessContext) -> Iterator[tuple[Probe, ...]]:
    """Yield a probe for each dependency that is configured. Nothing is asked before somebody wants to know.

    Raises:
        SettingsError: DAGSTER_PG_URL is not set.
    """
    with ExitStack() as stack:
        postgres = PostgresCheck(settings.require_dagster_url())
        stack.callback(postgres.close)
        yield (
            Probe("postgres", postgres, required=True),
            Probe(CODE_LOCATION, partial(code_problem, context), required=True),
            Probe("daemon", partial(daemon_problem, context.instance), required=True),
            *_probes_of_sources(settings, stack.callback),
            Probe("files", files_check(settings)),
            *_probes_of_batch_jobs(settings, stack.callback),
            Probe("mirror", partial(mirror_problem, context)),
            Probe("sensors", partial(stopped_sensors, context)),
        )


def _probes_of_sources(settings: Settings, at_end: Callable[[Callable[[], None]], object]) -> list[Probe]:
    if not settings.has_source:
        return []
    from aggregation_pipeline.health.mysql import MySQLCheck

    check = MySQLCheck(source_options(settings))
    at_end(check.close)
    return [Probe("mysql", check)]


def _probes_of_batch_jobs(settings: Settings, at_end: Callable[[Callable[[], None]], object]) -> list[Probe]:
    # Elsewhere it is in Dagster's PostgreSQL, which has a probe already.
    if settings.batch_jobs_url is None and settings.supabase_url is None:
        return []
    check, close = batch_jobs_check(settings)
    at_end(close)
    return [Probe("batchJobs", check)]
