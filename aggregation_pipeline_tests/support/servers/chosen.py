"""Which of the servers a test is for, where it is not for every one."""

import pytest

_OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("seekdb", "mysql56")]


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test that takes the fixture `mysql` on these servers alone; why not on the others stands beside it."""
    return pytest.mark.parametrize("mysql", names, indirect=True)


# For a test of what does not depend on the server: `make test` runs it on one, `make test-all` on the others too.
once = pytest.mark.parametrize("mysql", ["mariadb", *_OTHERS], indirect=True)
