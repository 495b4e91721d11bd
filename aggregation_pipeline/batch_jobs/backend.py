"""Which way leads to batch_jobs: BATCH_JOBS_URL, else Supabase by REST, else Dagster's own PostgreSQL."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, postgres_repository
from aggregation_pipeline.batch_jobs.supabase import supabase_repository
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.settings.base import Settings

OpenRepository = Callable[[float], AbstractContextManager[BatchJobRepository]]


def open_repository(settings: Settings, *, application_name: str) -> OpenRepository:
    """What opens the rows of this deployment for at most the seconds given. Nothing connects before that."""
    if settings.batch_jobs_url is None and settings.supabase_url is not None and settings.supabase_key is not None:
        return functools.partial(supabase_repository, settings.supabase_url, settings.supabase_key.get_secret_value())
    return functools.partial(
        postgres_repository, create_engine(settings.require_batch_jobs_url(), application_name=application_name)
    )
