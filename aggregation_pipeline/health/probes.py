"""The probes of one deployment's web process."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

from dagster._core.workspace.context import WorkspaceProcessContext

from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.health.batch_jobs import batch_jobs_check
from aggregation_pipeline.health.code_location import code_problem
from aggregation_pipeline.health.daemon import daemon_problem
from aggregation_pipeline.health.files import files_check
from aggregation_pipeline.health.postgres import PostgresCheck
from aggregation_pipeline.health.probe import LIMIT_SECONDS, Probe
from aggregation_pipeline.health.sensors import mirror_problem, stopped_sensors
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.named_sources import PlaceOfSource

# The name of the probe that says whether the service can be used at all.
CODE_LOCATION: Final = "codeLocation"


@contextmanager
def open_probes(
    settings: Settings,
    context: WorkspaceProcessContext,
    sources: Mapping[str | None, PlaceOfSource],
    queues: Callable[[], Iterable[str]] = tuple,
) -> Iterator[tuple[Probe, ...]]:
    """Yield a probe for each dependency that is configured. Nothing is asked before somebody wants to know.

    `sources` returns where each source is, by its name; None is the database without a name. `queues` returns those of
    workers that entries name now.

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
            *(_probe_of_source(name, place, stack.callback) for name, place in sources.items()),
            Probe("files", files_check(settings)),
            *_probes_of_batch_jobs(settings, stack.callback),
            Probe("mirror", partial(mirror_problem, context)),
            Probe("sensors", partial(stopped_sensors, context)),
            *_probes_of_workers(settings, context, queues),
        )


def probe_name(source: str | None, kind: str) -> str:
    """What a source is called among the dependencies: mysql, or mysql_crm for the source crm."""
    return kind if source is None else f"{kind}_{source}"


def _probe_of_source(name: str | None, place: PlaceOfSource, at_end: Callable[[Callable[[], None]], object]) -> Probe:
    from aggregation_pipeline.source.kind import kind_of

    title = probe_name(name, place.kind)
    try:
        options = place.options()
        check = kind_of(options).health_check(options, int(LIMIT_SECONDS))
    except (SettingsError, ConfigError) as error:
        return Probe(title, partial(str, error))
    at_end(check.close)
    return Probe(title, check)


def _probes_of_workers(
    settings: Settings, context: WorkspaceProcessContext, queues: Callable[[], Iterable[str]]
) -> list[Probe]:
    if settings.runner != "celery":
        return []
    from aggregation_pipeline.health.broker import broker_check

    return [Probe("workers", broker_check(settings, context.instance, queues))]


def _probes_of_batch_jobs(settings: Settings, at_end: Callable[[Callable[[], None]], object]) -> list[Probe]:
    # Elsewhere it is in Dagster's PostgreSQL, which has a probe already.
    if settings.batch_jobs_url is None and settings.supabase_url is None:
        return []
    check, close = batch_jobs_check(settings)
    at_end(close)
    return [Probe("batchJobs", check)]
