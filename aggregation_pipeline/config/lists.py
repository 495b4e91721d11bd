"""Lists in the YAML, where a single item may stand without brackets."""

from typing import Final

from pydantic import BeforeValidator


def as_tuple(value: object) -> object:
    """A text as a tuple of one; pydantic checks every other value."""
    return (value,) if isinstance(value, str) else value


ONE_OR_MORE: Final = BeforeValidator(as_tuple)
