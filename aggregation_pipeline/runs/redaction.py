"""The gate that no foreign text passes where cells are near: what is raised beyond it is ours, alone, and says what it
may say.

Drivers and libraries quote what they choke on, and Python hangs each error on the next: an error's text, its causes and
its contexts all end in Dagster's event log, in logs, in batch_jobs and in alerts.
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
    """Let a function, or a generator, raise nothing but our errors, each without what it was made of.

    A `PipelineError` passes with its own words. Anything else becomes an `UnexpectedError`, which tells type and place.
    What is no `Exception`, such as an interrupt, passes without its context.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
            try:
                return (yield from function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised below, where nothing is its context
                failure = redacted(error)
            try:
                raise failure
            finally:
                # Else this frame and the error hold each other, and all rows at hand with them.
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
    """The error without what it was made of, if its words are ours; else one of ours in its place."""
    ours = isinstance(error, PipelineError) or not isinstance(error, Exception)
    kept = error if ours else unexpected(error)
    kept.__cause__ = kept.__context__ = None
    return kept


def unexpected(error: BaseException) -> UnexpectedError:
    """Type and place of an error, and nothing that it says: its words may be a cell's."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    ours = [frame for frame in frames if Path(frame.filename) != Path(__file__)]
    place = f" at {Path(ours[-1].filename).relative_to(_PACKAGE)}:{ours[-1].lineno} ({ours[-1].name})" if ours else ""
    why = f", {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno is not None else ""
    kind = type(error)
    return UnexpectedError(
        f"an unexpected {kind.__module__}.{kind.__qualname__}{place}{why}. Its words may hold values of cells, so they"
        " are neither shown nor kept. Please report it with this line and your version of the package; what was"
        " published before stays as it is."
    )
