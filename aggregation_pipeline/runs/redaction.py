"""Errors without values of cells: what leaves a decorated function is one of our own errors, without its causes.

Drivers and libraries quote the value that they cannot read, and Python chains each error to the one before. The text of
an error, of its causes and of its contexts ends in Dagster's event log, in log files, in batch_jobs and in alerts.
"""

import functools
import inspect
import os
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

from aggregation_pipeline.errors import PipelineError, UnexpectedError

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE: Final = Path(__file__).parents[1]


def redact_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function, or a generator, so that it raises only our errors, without causes and contexts.

    A `PipelineError` keeps its message. Any other `Exception` becomes an `UnexpectedError`, which names its type and
    place. What is no `Exception`, such as KeyboardInterrupt, stays as it is, without its context.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
            try:
                return (yield from function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised again below, outside of this context
                failure = redacted(error)
            try:
                raise failure
            finally:
                # Otherwise this frame and the error keep each other alive, and with them all rows in local variables.
                del failure

        return cast("Callable[P, R]", generate)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - likewise
            failure = redacted(error)
        try:
            raise failure
        finally:
            del failure

    return call


def redacted(error: BaseException) -> BaseException:
    """Return the error without causes and contexts; in place of an error that is not ours, an UnexpectedError."""
    ours = isinstance(error, PipelineError) or not isinstance(error, Exception)
    kept = error if ours else unexpected(error)
    kept.__cause__ = kept.__context__ = None
    return kept


def unexpected(error: BaseException) -> UnexpectedError:
    """Return an error that names the type and place of another, and none of its text, which may hold a cell's value."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    ours = [frame for frame in frames if Path(frame.filename) != Path(__file__)]
    place = f" at {Path(ours[-1].filename).relative_to(_PACKAGE)}:{ours[-1].lineno} ({ours[-1].name})" if ours else ""
    reason = f", {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno is not None else ""
    kind = type(error)
    return UnexpectedError(
        f"an unexpected {kind.__module__}.{kind.__qualname__}{place}{reason}. Its text may quote values of cells, so it"
        " is neither shown nor stored. Please report this line and your version of the package. What was published"
        " before is unchanged."
    )
