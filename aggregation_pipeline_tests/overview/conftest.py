"""A deployment whose Dagster and batch_jobs are real, and empty: three tables, and what pages ask."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from aggregation_pipeline_tests.overview.site import Site


@pytest.fixture(scope="package")
def dagster_url(postgres: Any) -> str:
    return str(postgres.fresh_database())


@pytest.fixture
def site(postgres: Any, dagster_url: str, tmp_path: "Path") -> "Iterator[Site]":
    from aggregation_pipeline_tests.overview.site import open_site

    with open_site(dagster_url, postgres.fresh_database(), tmp_path) as opened:
        yield opened
