"""One Dagster storage for all tests of this folder: making its tables takes a second."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
