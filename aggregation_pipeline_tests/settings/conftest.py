import os
from collections.abc import Callable, Iterator

import pytest

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.settings.settings_of import settings_of


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Take back what a test lets our code set for child processes, of which monkeypatch knows nothing."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Loads settings from the variables that it is given, and from no others."""
    return settings_of(monkeypatch)
