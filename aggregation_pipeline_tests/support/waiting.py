"""Waiting for what other processes do: asked again and again, with a bound, and never by the clock alone."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

# Beside other tests everything takes longer. Who waits for something that comes anyway loses nothing.
_PATIENCE: Final = 2 if "PYTEST_XDIST_WORKER" in os.environ else 1


def until(what: str, found: Callable[[], Any], seconds: float = 300, *, said: Callable[[], str] = str) -> Any:
    """Call `found` until it returns something, and return that; fail after `seconds`, beside other tests twice that.

    Args:
        what: what is waited for, as the failure says it.
        said: returns what else the failure should show, such as the end of a log.
    """
    seconds *= _PATIENCE
    end = time.monotonic() + seconds
    pause = 0.01
    while not (result := found()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain for {what}\n{said()[-6000:]}")
        time.sleep(pause)
        pause = min(1.5 * pause, 0.2)
    return result
