"""Published files, as pages show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.requests import Request

from aggregation_pipeline.overview.batches import BatchFile
from aggregation_pipeline.web.common.file_links import FileLinks


@dataclass(frozen=True)
class ShownFile:
    """A file. `name` has its window too: `2026-11-20/orders.csv`; `link` is None where this server cannot give it."""

    name: str
    link: str | None
    table: str | None
    format: str | None
    dataset: str | None
    rows: int | None
    bytes: int | None


def shown_files(request: Request, files: Iterable[BatchFile], links: FileLinks) -> Sequence[ShownFile]:
    """Return files with their links."""
    return [
        ShownFile(
            _name(file.uri or ""),
            links.of(request, file.uri),
            file.table,
            file.format,
            file.dataset,
            file.rows,
            file.bytes,
        )
        for file in files
    ]


def _name(uri: str) -> str:
    name = "/".join(uri.split("/")[-2:])
    return unquote(name) if uri.startswith("file:") else name
