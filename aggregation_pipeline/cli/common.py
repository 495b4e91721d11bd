"""What the commands share. Heavy imports stand inside the commands: `--help` should not wait for them."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from aggregation_pipeline.errors import PipelineError

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Print what we raise on purpose as words, not as a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except PipelineError as error:
            raise click.ClickException(str(error)) from error

    return wrapped


def names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Read an option of several names with commas between."""
    return None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())


def formats(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Read an option of several formats, or `all`."""
    from aggregation_pipeline.settings import parse_formats  # noqa: PLC0415

    try:
        return None if value is None else parse_formats(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
