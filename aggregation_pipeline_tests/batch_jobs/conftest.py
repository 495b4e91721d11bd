"""One Dagster storage for all tests of this folder: making its tables takes a second."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import sqlalchemy as sa
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="package")
def dagster_instance(postgres: "PostgresServer") -> "Iterator[DagsterInstance]":
    from aggregation_pipeline_tests.support.runs import open_instance

    with open_instance(postgres.fresh_database()) as instance:
        yield instance


@pytest.fixture
def engine(postgres: "PostgresServer") -> "sa.Engine":
    """A batch_jobs table of the test's own."""
    from aggregation_pipeline_tests.support.runs import new_batch_jobs

    return new_batch_jobs(postgres.fresh_database())


@pytest.fixture
def mirror(dagster_instance: "DagsterInstance", engine: "sa.Engine") -> Any:
    """What writes the row of a run."""
    from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
    from aggregation_pipeline_tests.batch_jobs.mirrored_tables import PLATFORMS
    from aggregation_pipeline_tests.support.runs import JOB_TYPE, EngineRepository

    return functools.partial(
        mirror_run,
        dagster_instance,
        repository=EngineRepository(engine),
        owner=owner_of(dagster_instance, "prod"),
        platforms=PLATFORMS,
        job_type=JOB_TYPE,
    )
