"""The formats of one window, each rendered in a thread of its own, while the rows are read and after it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.export.arriving import ArrivingExtract, GuessFailedError
from aggregation_pipeline.export.observer import Observer
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.common.file_format import RenderedFile
from aggregation_pipeline.formats.registry import render


@dataclass(frozen=True)
class Rendering:
    """The renderers of one window at work.

    Attributes:
        arriving: hears of the extract while it is read.
    """

    arriving: ArrivingExtract
    _files: dict[str, "Future[tuple[RenderedFile, ...]]"]

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

    def run(name: str, live: Callable[[], Extract]) -> tuple[RenderedFile, ...]:
        folder = directory / name
        folder.mkdir()
        try:
            return render(name, live(), folder, options)
        except GuessFailedError:
            return render(name, arriving.for_renderer(live=False)(), folder, options)

    with ThreadPoolExecutor(max(len(formats), 1), "render") as pool:
        try:
            files = {name: pool.submit(run, name, arriving.for_renderer(live=True)) for name in formats}
            yield Rendering(arriving, files)
        finally:
            arriving.stop()
