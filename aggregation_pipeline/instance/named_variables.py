"""The variables that dagster.yaml reads by `env:`. Dagster looks for them in os.environ alone."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import yaml

_ALWAYS: Final = "DAGSTER_PG_URL"


def variables_of_dagster_yaml() -> list[str]:
    """Return their names. The file is in DAGSTER_HOME, or else in the working folder; Dagster says if it is broken."""
    path = Path(os.environ.get("DAGSTER_HOME") or ".").expanduser() / "dagster.yaml"
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        return sorted({_ALWAYS, *_named(yaml.safe_load(path.read_text(encoding="utf-8")))})
    return [_ALWAYS]


def _named(config: object) -> Iterator[str]:
    if isinstance(config, list):
        for each in config:
            yield from _named(each)
    elif isinstance(config, dict):
        if len(config) == 1 and isinstance(name := config.get("env"), str):
            yield name
        else:
            for each in config.values():
                yield from _named(each)
