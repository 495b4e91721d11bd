"""What all models of aggregation.yaml have in common."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ConfigModel(BaseModel):
    """Frozen, strict about unknown keys, and open to camelCase. Editors show the docstring under a field."""

    # Not `use_attribute_docstrings`: it parses the source of each model in each process; see schema.py.
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


Model = TypeVar("Model", bound=ConfigModel)


def merge_models(base: Model, override: Model) -> Model:
    """`base` with the keys that were given to `override`, at any depth.

    Raises:
        pydantic.ValidationError: the two contradict each other, such as a `null` that holds the other's `delimiter`.
    """
    # Only what was given to one of them, so that the result can be merged over others in its turn.
    values = {name: getattr(base, name) for name in base.model_fields_set}
    for name in override.model_fields_set:
        value = getattr(override, name)
        values[name] = merge_models(getattr(base, name), value) if isinstance(value, ConfigModel) else value
    return type(base).model_validate(values)
