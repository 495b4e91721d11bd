"""The deployment that the tests of whole jobs run in."""

import pytest

from aggregation_pipeline_tests.end_to_end.shop_job import (
    CONFIG,
    SCHEMA,
)
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY


@pytest.fixture
def shop(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment.configure(CONFIG)
    deployment.execute(*SCHEMA)
    deployment.enter(monkeypatch)
    monkeypatch.chdir(REPOSITORY)
    return deployment
