"""Items of the YAML where one may stand alone, and several are a list."""

from typing import Final

from pydantic import BeforeValidator


def as_tuple(value: object) -> object:
    """A text as a tuple of one; pydantic checks every other value."""
    return (value,) if isinstance(value, str) else value


ONE_OR_MORE: Final = BeforeValidator(as_tuple)


def with_tuples(value: object) -> object:
    """Lists as tuples at any depth, because the strict models accept no list for a tuple."""
    if isinstance(value, dict):
        return {key: with_tuples(inner) for key, inner in value.items()}
    return tuple(map(with_tuples, value)) if isinstance(value, list) else value
