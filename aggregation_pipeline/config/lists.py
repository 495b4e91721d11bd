"""Lists in the YAML, where one item may stand without brackets, and lists in messages."""

from typing import Final

from pydantic import BeforeValidator

# As many items as people read.
_SHOWN: Final = 20


def as_tuple(value: object) -> object:
    """A text as a tuple of one; pydantic checks everything else."""
    return (value,) if isinstance(value, str) else value


ONE_OR_MORE: Final = BeforeValidator(as_tuple)
