"""Hides the warnings of Dagster about beta and preview features that this package uses."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import BetaWarning, PreviewWarning


@contextmanager
def without_beta_warnings() -> Iterator[None]:
    """Hide Dagster's warnings about new features: its version is pinned, and users can do nothing about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)
        warnings.simplefilter("ignore", PreviewWarning)
        yield
