"""Waiting for what other processes do: asked again and again, with a bound, and never by the clock alone."""

import time
from collections.abc import Callable
from typing import Any

import pytest


def until(what: str, found: Callable[[], Any], seconds: float = 300, *, said: Callable[[], str] = str) -> Any:
    """What `found` gives, once it gives something.

    Args:
        what: that is waited for, for the failure.
        said: gives what else the failure should show: the end of a log.
    """
    end = time.monotonic() + seconds
    while not (result := found()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain for {what}\n{said()[-6000:]}")
        time.sleep(0.2)
    return result
