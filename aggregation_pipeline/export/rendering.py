"""The formats of one window, each rendered in a thread of its own, while the rows are read and after it.

While rows are read, the database waits for whoever takes processor time from the reader. So the threads that render
meanwhile have a low priority. They cannot have their priority back, because to raise one is a privilege: as soon as all
rows are read, other threads go on with what is left.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.export.arriving import ArrivingExtract, GuessFailedError
from aggregation_pipeline.export.observer import Observer
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.common.file_format import RenderedFile
from aggregation_pipeline.formats.registry import render_in_steps

# One renderer gets a tenth of what the reader gets while both want the same processor. All renderers together get about
# as much: the priority of each is lower, the more there are.
_NICE: Final = 10
_NICE_PER_FORMAT: Final = 2


@dataclass(frozen=True)
class Rendering:
    """The renderers of one window at work.

    Attributes:
        arriving: hears of the extract while it is read.
    """

    arriving: ArrivingExtract
    _files: "dict[str, Future[tuple[RenderedFile, ...]]]"

    def files(self, extract: Extract, observer: Observer) -> list[RenderedFile]:
        """Wait until all files of the finished extract are rendered, and return them.

        Raises:
            FormatError: a value cannot be written in a format.
        """
        self.arriving.finish(extract)
        rendered: list[RenderedFile] = []
        for name, future in self._files.items():
            files = future.result()
            observer.step(f"rendered {name}: {', '.join(f'{file.name} ({file.bytes:,} bytes)' for file in files)}")
            rendered += files
        return rendered


@contextmanager
def rendering(
    dataset_names: Sequence[str], formats: Sequence[str], options: FormatOptions, directory: Path
) -> Iterator[Rendering]:
    """Begin to render each format, into a folder of its own below `directory`. At the end of the block all is over."""
    arriving = ArrivingExtract(dataset_names)

    rendered: dict[str, tuple[RenderedFile, ...]] = {}

    def steps(name: str, live: Callable[[], Extract]) -> Iterator[None]:
        folder = directory / name
        folder.mkdir()
        try:
            rendered[name] = yield from render_in_steps(name, live(), folder, options)
        except GuessFailedError:
            stored = arriving.for_renderer(live=False)()
            rendered[name] = yield from render_in_steps(name, stored, folder, options)

    def begin(work: Iterator[None]) -> None:
        """Render while the rows are read."""
        for _ in work:
            if arriving.is_read:
                break

    def end(name: str, begun: "Future[None]", work: Iterator[None]) -> tuple[RenderedFile, ...]:
        """Render the rest."""
        begun.result()
        deque(work, maxlen=0)
        return rendered[name]

    threads = max(len(formats), 1)
    with (
        ThreadPoolExecutor(threads, "render the rest") as usual,
        ThreadPoolExecutor(threads, "render", _lower_priority, (threads,)) as low,
    ):
        try:
            works = {name: steps(name, arriving.for_renderer(live=True)) for name in formats}
            # Both threads are started here: a thread has the priority of the one that starts it.
            files = {name: usual.submit(end, name, low.submit(begin, work), work) for name, work in works.items()}
            yield Rendering(arriving, files)
        finally:
            arriving.stop()


def _lower_priority(formats: int) -> None:
    """Let other threads go before this one. Only Linux gives a thread a priority of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            # Added, because the process may have a low priority itself.
            nice = os.getpriority(os.PRIO_PROCESS, 0) + _NICE + _NICE_PER_FORMAT * (formats - 1)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
