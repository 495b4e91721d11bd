"""Passwords that cost nothing: in production each takes 64 MiB, and a processor for a tenth of a second."""

from collections.abc import Iterator
from contextlib import contextmanager

import argon2
import pytest

from aggregation_pipeline.access import passwords

_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """Hash and verify with the least work that argon2 accepts, also for names that nobody has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", _CHEAP)
        patch.setattr(passwords, "_NOBODY", _CHEAP.hash("nobody's"))
        yield
