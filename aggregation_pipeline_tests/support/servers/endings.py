"""What tests made and need no longer."""

from collections.abc import Callable

# In the order in which it was made. The fixture `ending` calls them when the test is over that made it.
endings: list[Callable[[], object]] = []
