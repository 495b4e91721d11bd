"""What a user's own code raises while a value is computed, such as a generator of batches or a LazyFrame."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aggregation_pipeline.errors import UserCodeError

T = TypeVar("T")


@contextmanager
def user_code() -> Iterator[None]:
    """Raise a `UserCodeError` in place of what is raised inside, so that it is not taken for ours."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception):
            raise UserCodeError(error) from None
        raise


def computed(values: Iterable[T]) -> Iterator[T]:
    """Yield the values, which the user's own code computes one by one."""
    iterator = iter(values)
    while True:
        with user_code():
            try:
                value = next(iterator)
            except StopIteration:
                return
        yield value
