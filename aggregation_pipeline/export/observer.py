"""How an export reports progress: per window in the core, per run for whoever watches this process."""

from typing import Protocol


class Observer(Protocol):
    """Receives the progress of one window."""

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        """Report the rows of `dataset` that are read so far; `total` is None if the server has not counted them."""

    def part(self, text: str) -> None:
        """Report of which part of the dataset the rows are that come from now on: `orders_03, 4 of 16 shards`.

        An empty text stands for the whole dataset.
        """

    def step(self, text: str) -> None:
        """Report that a step is done or about to begin, in one line."""

    def warn(self, text: str) -> None:
        """Report a problem that does not stop the export."""


class RunObserver(Protocol):
    """Receives the progress of every table that this process exports, such as the terminal of `run` and `demo`.

    Tables run in threads of their own, so the methods are called from several threads.
    """

    def progress(self, table: str, unit: str, done: int, total: int | None) -> None:
        """Report how much of `table` is done. `unit` is a dataset whose rows are read, or `windows`."""

    def at(self, table: str, part: str) -> None:
        """Report which part of `table` its progress is about from now on, as `Observer.part` does."""

    def warn(self, text: str) -> None:
        """Report a problem that does not stop the export."""


class SilentObserver:
    """Satisfies both protocols and reports nothing."""

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        """Ignore it."""

    def part(self, text: str) -> None:
        """Ignore it."""

    def step(self, text: str) -> None:
        """Ignore it."""

    def progress(self, table: str, unit: str, done: int, total: int | None) -> None:
        """Ignore it."""

    def at(self, table: str, part: str) -> None:
        """Ignore it."""

    def warn(self, text: str) -> None:
        """Ignore it."""
