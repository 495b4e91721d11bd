"""Settings of an environment in which nothing else is set."""

import os
from collections.abc import Callable

import pytest

from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline_tests.support.deployment import use_environment


def settings_of(monkeypatch: pytest.MonkeyPatch, **always: str) -> Callable[..., Settings]:
    """A function that loads settings from `always` and the variables that it is given."""

    def load(**variables: str) -> Settings:
        use_environment(monkeypatch, {"AGGREGATION_ENV_FILE": os.devnull, **always, **variables})
        return load_settings()

    return load
