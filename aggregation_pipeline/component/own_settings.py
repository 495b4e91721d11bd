"""The variables of a component: its own go before those of the environment, which belongs to the project around it."""

import logging
from collections.abc import Mapping
from typing import Final, get_args

from pydantic import SecretStr

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sources import split_variable
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.settings.access import AccessSettings
from aggregation_pipeline.settings.alerts import AlertSettings
from aggregation_pipeline.settings.base import Settings, validated
from aggregation_pipeline.settings.env_precedence import restore_environment
from aggregation_pipeline.settings.environment import read_environment
from aggregation_pipeline.settings.log_once import log_once
from aggregation_pipeline.settings.logs import LogSettings
from aggregation_pipeline.settings.oss import OssSettings
from aggregation_pipeline.settings.runner import RunnerSettings
from aggregation_pipeline.settings.runner_containers import ContainerSettings
from aggregation_pipeline.settings.source_variables import read_source_variables
from aggregation_pipeline.settings.supabase import SupabaseSettings

_log = logging.getLogger(__name__)

_PARTS: Final = (RunnerSettings, ContainerSettings, AlertSettings, AccessSettings, LogSettings)
# What only a deployment of its own does. Any program may have a RUNNER, or ALLOWED_HOSTS, and mean something else.
_OF_DEPLOYMENTS: Final = (
    frozenset(name for part in _PARTS for name in part.model_fields) - {"compute_log_keep_days"}
    | {"aggregation_config", "aggregation_tables", "executor"}
    | {"allowed_hosts", "sign_in_at_proxy", "aggregate_wait_seconds", "stop_seconds"}
)
_OF_COMPONENTS: Final = frozenset(Settings.model_fields) - _OF_DEPLOYMENTS
# Where a file goes, with what to sign in there. The prefix is of folders too.
_OF_BUCKETS: Final = frozenset(name for name in OssSettings.model_fields if name.startswith("oss_")) - {"oss_prefix"}


def settings_of(given: Mapping[str, object], *, records_runs: bool) -> Settings:
    """Read what is `given` under `settings`, and what that lacks from the environment.

    Args:
        given: by the names of variables.
        records_runs: whether there is a use for Supabase, which the project around it may have a use of its own for.

    Raises:
        ConfigError: a name is none of a component's variables, or a template has no value.
        SettingsError: what a variable holds cannot be used.
    """
    own = {name.lower(): _text(name, value) for name, value in given.items()}
    for name in own:
        _refuse_unknown(name)
    restore_environment()
    own |= _replaced_by(own)
    sources = read_source_variables(Settings.model_fields, own)
    names = _OF_COMPONENTS if records_runs else _OF_COMPONENTS - SupabaseSettings.model_fields.keys()
    settings = validated(Settings, read_environment(names, own), in_component=bool(own))
    return settings.with_source_variables(sources)


def _refuse_unknown(name: str) -> None:
    plain, shown = name.removesuffix("_file"), name.upper()
    if {name, plain} & _OF_COMPONENTS or split_variable(plain.upper()):
        return
    if {name, plain} & _OF_DEPLOYMENTS:
        raise ConfigError(f"settings: {shown} is for a deployment of its own, and has no effect in a component.")
    suggestion = did_you_mean(shown, [each.upper() for each in _OF_COMPONENTS])
    raise ConfigError(f"settings: {shown} is no variable of this package.{suggestion}")


def _text(name: str, value: object) -> str:
    """The value as it stands in an environment.

    What the environment has must not take the place of a value that is missing: files would go where it says.
    """
    if value is not None:
        return str(value).lower() if isinstance(value, bool) else str(value)
    field = Settings.model_fields.get(name.lower())
    missing = f"settings: {name} has no value, so the variable that its template names is not set"
    if name.upper().endswith("_PASSWORD") or (field is not None and SecretStr in get_args(field.annotation)):
        # Whoever checks definitions need not have the secrets. A run says that it is not let in.
        log_once(_log, logging.WARNING, f"{missing}. Set it where runs are computed.")
        return ""
    raise ConfigError(f"{missing}. Set it, or take the line out.")


def _replaced_by(own: Mapping[str, str]) -> dict[str, str]:
    """Variables, without a value, that say otherwise than the component's own where something is."""
    replaced = []
    for name in own:
        plain = name.removesuffix("_file")
        if plain.startswith("db_") and plain.endswith("_host"):
            replaced.append(f"{plain.removesuffix('host')}socket")
        if plain.startswith("db_") and plain.endswith("_socket"):
            replaced += [f"{plain.removesuffix('socket')}{key}" for key in ("host", "port")]
    if "storage_dir" in own and not _OF_BUCKETS & own.keys():
        replaced += _OF_BUCKETS
    return {name: "" for name in replaced if not {name, f"{name}_file"} & own.keys()}
