"""Which of the servers a test is for, where it is not for every one."""

import pytest


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test that takes the fixture `mysql` on these servers alone; why not on the others stands beside it."""
    return pytest.mark.parametrize("mysql", names, indirect=True)
