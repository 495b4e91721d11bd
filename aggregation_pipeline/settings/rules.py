"""By which rules a run is computed: versions, aggregation.yaml, and the settings that shape results.

A run is planned by the code location and computed by a worker or in a container, perhaps on another machine. Each notes
its rules, and a run that was planned by others is refused. Values are digests, so nothing of a setting is shown.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from aggregation_pipeline.settings.base import Settings

# The metadata of the code location, and the tag of a run, that hold the rules.
RULES_METADATA: Final = "aggregation/rules"
RULES_TAG: Final = ".dagster/aggregation_rules"
# Holds the id of a run that has a container of its own, which compares the rules. A re-execution copies the tags.
CONTAINER_TAG: Final = ".dagster/aggregation_container"
_PACKAGES: Final = ("aggregation-pipeline", "dagster")
# Which of two machines computes a table must make no difference to what comes of it.
_SETTINGS: Final = (
    *("timezone", "output_format", "aggregation_tables", "db_name", "mask_salt", "deployment_name"),
    *("oss_bucket", "oss_prefix"),
)
_OF_SOURCES: Final = {"DB_<NAME>_NAME": "database", "DB_<NAME>_TIMEZONE": "timezone"}
_DIGITS: Final = 12


def rules_of(settings: "Settings", content: bytes | None = None) -> Mapping[str, str]:
    """The rules of this process. `content` is the text of aggregation.yaml, where the caller has read it already."""
    path = settings.aggregation_config or DEFAULT_CONFIG
    return {
        **{package: _version(package) for package in _PACKAGES},
        "aggregation.yaml": _digest(content if content is not None else _read(path)),
        **{name.upper(): _digest(_text(getattr(settings, name)).encode()) for name in _SETTINGS},
        " and ".join(_OF_SOURCES): _digest(json.dumps(_of_sources(settings)).encode()),
    }


def _of_sources(settings: "Settings") -> list[tuple[str, str, str]]:
    """What variables of sources by name make of results. What aggregation.yaml says of them is in its own digest."""
    return [
        (source, key, value.get_secret_value())
        for source, variables in sorted(settings.source_variables.items())
        for key, value in sorted(variables.values.items())
        if key in _OF_SOURCES.values()
    ]


def as_text(rules: Mapping[str, str]) -> str:
    """The rules as they are stored."""
    return json.dumps(rules)


def differing(planned: str | None, here: Mapping[str, str]) -> list[str]:
    """What differs, such as "aggregation.yaml"; with the versions, which are no secret. `planned` is a stored text."""
    try:
        stored = json.loads(planned) if planned else {}
    except ValueError:
        return ["what is stored of the rules"]
    names = [name for name in here if name in stored and stored[name] != here[name]]
    return [f"{name} ({stored[name]} there, {here[name]} here)" if name in _PACKAGES else name for name in names]


def refuse_other_rules(run_id: str, tags: Mapping[str, str], settings: "Settings") -> None:
    """Raise SettingsError in a run's own container that has other rules than the code location that planned the run."""
    if tags.get(CONTAINER_TAG) == run_id and (others := differing(tags.get(RULES_TAG), rules_of(settings))):
        raise SettingsError(
            f"The container of this run has other rules than the code location that planned the run:"
            f" {', '.join(others)} differ. Give it the same: RUN_IMAGE for the version, its volumes for"
            " aggregation.yaml, and its variables for settings. Then reload the code location"
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _text(value: object) -> str:
    return repr(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
