"""What to do about a program that a test needs and this machine does not have."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """On a developer's machine a missing server skips its tests, with the remedy `what`; where CI is set it is a
    failure.
    """
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
