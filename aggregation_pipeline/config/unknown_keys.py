"""Words for a key that does not exist where it stands: where it belongs, or which key was meant."""

import typing
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel
from pydantic.alias_generators import to_camel, to_snake

from aggregation_pipeline.config.entry_keys import INTERNAL_FIELDS
from aggregation_pipeline.config.messages.likely_causes import likely_cause
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.table_entry import TableEntry

# Keys of an entry that have a variable for all tables.
_VARIABLES: Final = {"formats": "OUTPUT_FORMAT", "schedule": "CRON_SCHEDULE", "timezone": "TIMEZONE"}
# A key under more of them, such as alias, may be meant for any.
_FEW: Final = 2
_KEYS_OF_VARIABLES: Final = {"output_format": "formats", "cron_schedule": "schedule", "time_zone": "timezone"}


def unknown_key(key: str, model: type[BaseModel], *, empty: bool = False) -> str:
    """The message for a key that a model does not have; `empty` if no value follows it."""
    if cause := likely_cause(key):
        return f"unknown key: {cause}"
    if model is PipelineConfig and (message := _key_of_an_entry(key)):
        return message
    known = _keys_of(model)
    if key in known:
        return f"the key is there in two spellings, {key} and {to_camel(key)}; keep one"
    if 1 <= len(parents := _keys_that_hold(key, model)) <= _FEW:
        return f"the key {key} belongs under {' or '.join(parents)}, as in {parents[0]}: {{{key}: ...}}"
    rest = " If it is the rest of a text that holds a comma, put the whole text in quotes." if empty else ""
    return f"unknown key.{did_you_mean(key, known)}{rest} Known are {', '.join(known)}"


def model_at(path: Sequence[str | int]) -> type[BaseModel]:
    """The model whose keys stand at a path of the file."""
    model: type[BaseModel] = PipelineConfig
    for part in path:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                model = _model_in(field.annotation) or model
                break
    return model


def _keys_of(model: type[BaseModel]) -> list[str]:
    """The keys as a user writes them: `json`, not the field's name `json_`."""
    keys = [
        field.alias.rstrip("_") if field.alias and field.alias == name.rstrip("_") else name
        for name, field in model.model_fields.items()
    ]
    return [key for key in keys if model is not TableEntry or key not in INTERNAL_FIELDS]


def _keys_that_hold(key: str, model: type[BaseModel]) -> list[str]:
    """The keys of a model under which the key would be right."""
    inner = {name.rstrip("_"): _model_in(field.annotation) for name, field in model.model_fields.items()}
    return [
        name
        for name, found in inner.items()
        if found and found is not TableEntry and to_snake(key) in {known.rstrip("_") for known in found.model_fields}
    ]


def _key_of_an_entry(key: str) -> str:
    """The message for a key beside `tables` that belongs to an entry; empty for any other key."""
    snake = to_snake(key)
    name = _KEYS_OF_VARIABLES.get(snake, snake)
    if name not in TableEntry.model_fields or name in INTERNAL_FIELDS:
        return ""
    remedy = ""
    if name in _VARIABLES:
        remedy = f"; for all tables set the variable {_VARIABLES[name]}, in the environment or .env"
    return f"the key {name} belongs to an entry, under tables{remedy}"


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for model in map(_model_in, typing.get_args(annotation)) if model), None)
