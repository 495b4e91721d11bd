"""An extract while it is read, as formats see it: rows come in groups, and what is not known yet is waited for.

A format writes it with the code that writes a stored extract. Three rules make that possible:

- The reader never waits. A few groups may wait for a renderer. If one more comes before the first is taken, the
  renderer is cut off, and reads the rest from the extract when that is finished.
- What is known only at the end, such as the number of rows, is waited for where it is asked for.
- `columns_where` is about all rows, and answers from the first group. If a later row proves the answer wrong, the pass
  ends with GuessFailedError, and the file is rendered anew from the finished extract.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.request import Arrivals

T = TypeVar("T")

# The row groups that may wait for a renderer.
_MOST_WAITING: Final = 3


class GuessFailedError(Exception):
    """A row is not what the first rows made likely, so what has been written is wrong."""


class StoppedError(Exception):
    """Nobody wants the files any more."""


class ArrivingExtract(Arrivals):
    """Hands what is read to the renderers. All methods may be called from any thread, and none waits."""

    def __init__(self, dataset_names: Sequence[str]) -> None:
        self._extract: Future[Extract] = Future()
        self._datasets = {name: _Arrival() for name in dataset_names}
        self._stopped = threading.Event()
        self._current = _Arrival()

    def for_renderer(self, *, live: bool) -> Callable[[], Extract]:
        """Return what gives a renderer the extract, once it is begun. With `live`, no group is missed from now on."""
        datasets = tuple(
            _ArrivingDataset(name, arrival, arrival.new_feed() if live else _Feed(is_open=False), self._stopped)
            for name, arrival in self._datasets.items()
        )
        return lambda: replace(self._extract.result(), datasets=datasets)

    @property
    def is_read(self) -> bool:
        """Whether the last row has been read, or reading has been given up."""
        return all(arrival.ended.done() for arrival in self._datasets.values())

    def begin(self, extract: Extract) -> None:
        """Let the renderers begin."""
        _set(self._extract, extract)

    def begin_dataset(self, dataset: Dataset) -> None:
        """Let the renderers know the dataset's schema."""
        self._current = self._datasets[dataset.name]
        _set(self._current.begun, dataset)

    def add_group(self, rows: pa.RecordBatch) -> None:
        """Offer the group to all renderers that are not cut off."""
        # As it will be in the extract: with what the fields say of their columns.
        group = pa.RecordBatch.from_arrays(rows.columns, schema=self._current.begun.result().schema)
        for feed in self._current.feeds:
            feed.offer(group)

    def end_dataset(self, dataset: Dataset) -> None:
        """Let the renderers know everything, and read what they have not taken."""
        arrival = self._datasets[dataset.name]
        _set(arrival.begun, dataset)
        _set(arrival.ended, dataset)
        arrival.close()

    def finish(self, extract: Extract) -> None:
        """Take an extract that is whole, whatever has been heard of it so far."""
        self.begin(extract)
        for dataset in extract.datasets:
            self.end_dataset(dataset)

    def stop(self) -> None:
        """Let every renderer that is not done break off with StoppedError."""
        self._stopped.set()
        for arrival in self._datasets.values():
            for future in (arrival.begun, arrival.ended):
                _fail(future)
            arrival.close()
        _fail(self._extract)


class _Feed:
    """The groups of one dataset on their way to one renderer; few of them wait."""

    def __init__(self, *, is_open: bool = True) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[pa.RecordBatch] = deque()
        self._is_open = is_open

    def offer(self, group: pa.RecordBatch) -> None:
        """Let the group wait. A renderer for which too many wait is cut off."""
        with self._changed:
            if not self._is_open:
                return
            self._waiting.append(group)
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.clear()
                self._is_open = False
            self._changed.notify()

    def close(self) -> None:
        """Let the renderer have what waits, and nothing more."""
        with self._changed:
            self._is_open = False
            self._changed.notify()

    def take(self) -> pa.RecordBatch | None:
        """Wait for the next group; None if no more will come this way."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._is_open)
            return self._waiting.popleft() if self._waiting else None


class _Arrival:
    """One dataset on its way, for all renderers.

    Attributes:
        begun: has what is known before the first row.
        ended: has what is known after the last row; its file can be read.
    """

    def __init__(self) -> None:
        self.begun: Future[Dataset] = Future()
        self.ended: Future[Dataset] = Future()
        self.feeds: list[_Feed] = []

    def new_feed(self) -> _Feed:
        self.feeds.append(_Feed())
        return self.feeds[-1]

    def close(self) -> None:
        for feed in self.feeds:
            feed.close()


class _ArrivingDataset(Dataset):
    """A dataset on its way to one renderer. The first pass over its rows is live; others read the finished extract."""

    def __init__(self, name: str, arrival: _Arrival, feed: _Feed, stopped: threading.Event) -> None:
        object.__setattr__(self, "name", name)
        self._arrival = arrival
        self._feed = feed
        self._stopped = stopped
        self._first: pa.RecordBatch | None = None
        self._pass_begun = False
        self._guessed_not: dict[str, Callable[[pa.Array], bool]] = {}

    def batches(self, first_group: int = 0, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        if not first_group and columns is None:
            group, self._first, self._pass_begun = self._peek(), None, True
            while group is not None:
                yield self._checked(group)
                first_group += 1
                group = self._feed.take()
        for batch in self._arrival.ended.result().batches(first_group, columns):
            yield self._checked(batch)

    def head(self, rows: int) -> pa.RecordBatch | None:
        group = self._peek()
        return self._arrival.ended.result().head(rows) if group is None else group.slice(0, rows)

    def columns_where(self, tests: Mapping[str, Callable[[pa.Array], bool]]) -> frozenset[str]:
        group = self._peek()
        if group is None:
            return super().columns_where(tests)
        found = frozenset(name for name, test in tests.items() if test(group.column(name)))
        self._guessed_not |= {name: test for name, test in tests.items() if name not in found}
        return found

    def _peek(self) -> pa.RecordBatch | None:
        """Return the first group, without taking it from the pass; None if the pass has begun or no group comes."""
        if self._first is None and not self._pass_begun:
            self._first = self._feed.take()
        return self._first

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._stopped.is_set():
            raise StoppedError
        for name, test in self._guessed_not.items():
            if name in batch.schema.names and test(batch.column(name)):
                raise GuessFailedError(name)
        return batch

    @property
    def schema(self) -> pa.Schema:
        return self._arrival.begun.result().schema

    @property
    def sql(self) -> str:
        return self._arrival.begun.result().sql

    @property
    def order(self) -> str:
        return self._arrival.begun.result().order

    @property
    def masks(self) -> Mapping[str, str]:
        return self._arrival.begun.result().masks

    @property
    def path(self) -> Path:
        return self._arrival.ended.result().path

    @property
    def rows(self) -> int:
        return self._arrival.ended.result().rows

    @property
    def truncated(self) -> bool:
        return self._arrival.ended.result().truncated

    @property
    def zero_dates(self) -> Mapping[str, int]:
        return self._arrival.ended.result().zero_dates


def _set(future: "Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "Future[T]") -> None:
    if not future.done():
        future.set_exception(StoppedError())
