"""`/files/...`: the published files of a folder, and links to published files wherever they are."""

import hashlib
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, HTTPException
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from aggregation_pipeline.errors import PipelineError, StorageError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.content_disposition import content_disposition
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import check_key
from aggregation_pipeline.storage.published_file import PublishedFile, find_published
from aggregation_pipeline.web.answers import NAME, PROBLEM
from aggregation_pipeline.web.common.workers import Workers
from aggregation_pipeline.web.links import link

# A browser saves the file. Should it ever show one, nothing in it runs, and it may load nothing.
_HEADERS: Final = {"Content-Security-Policy": "sandbox; default-src 'none'"}
_LIMIT_SECONDS: Final = 5.0
_NOT_FOUND: Final = (
    "No published file has this address. Retention may have deleted it; GET /status/{batchJobId} has links."
)


class FileLinks:
    """Makes links to published files, by their addresses (`uri`) in batch_jobs and in `run --json`.

    A bucket's links are signed and work without sign-in, for OSS_LINK_SECONDS. A folder's are paths on this server,
    which asks each who follows one whether he may: so they need no signature, and do not expire.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def store(self) -> ObjectStore:
        """The bucket or the folder. Importing OSS's library takes a second."""
        return open_store(self._settings)

    def of(self, connection: HTTPConnection, uri: str | None) -> str | None:
        """Return a link to the file; None for an address outside of the configured bucket or folder."""
        key = None if uri is None else self._key(uri)
        if key is None:
            return None
        try:
            if self.store.local_folder() is not None:
                return link(connection, "files", *check_key(key).split("/"))
            return self.store.link(key, self._settings.oss_link_seconds)
        except PipelineError:
            return None

    def _key(self, uri: str) -> str | None:
        root = self.store.local_folder()
        if root is None:
            beginning = f"oss://{self._settings.oss_bucket}/"
            return uri.removeprefix(beginning) if uri.startswith(beginning) else None
        try:
            address = urlsplit(uri)
            path = Path(unquote(address.path, errors="strict"))
            return path.relative_to(root).as_posix() if address.scheme == "file" else None
        except ValueError:
            return None


class _PublishedFileResponse(FileResponse):
    """Answers HEAD without reading the file: `api.py` asks every endpoint as if for GET."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the parts that the header Range names."""
        await super().__call__({**scope, "method": scope["aggregation_pipeline.method"]}, receive, send)


def files_router(settings: Settings) -> APIRouter:
    """Return the endpoint."""
    router = APIRouter(tags=["files"])
    work = Workers("the folder of the files", threads=4, seconds=_LIMIT_SECONDS, refuse=lambda _: _unavailable())
    folder = FolderStore(settings.storage_dir) if settings.oss_options is None else None

    @router.get(
        "/files/{key:path}",
        response_class=_PublishedFileResponse,
        responses={
            200: {"description": "The file.", "content": {"application/octet-stream": {}}},
            206: {"description": "The parts of it that the header Range asks for."},
            404: PROBLEM,
            416: {"description": "The file has no such part."},
            503: PROBLEM,
        },
    )
    async def download(
        key: Annotated[
            str,
            PathParameter(pattern=NAME, description="The file's key or stable name: `orders/latest/orders.csv`."),
        ],
    ) -> _PublishedFileResponse:
        """A published file of STORAGE_DIR, for a browser to save; with a bucket, OSS has the files.

        Only what a manifest names is found. Range and If-Range are obeyed, so a broken download can go on.
        """
        if folder is None:
            raise HTTPException(404, _NOT_FOUND)
        try:
            found = await work.run(partial(find_published, folder, settings.oss_prefix, key))
        except StorageError:
            raise _unavailable() from None
        if found is None:
            raise HTTPException(404, _NOT_FOUND)
        return _response(found)

    return router


def _unavailable() -> HTTPException:
    return HTTPException(503, "The folder of the files cannot be read now.")


def _response(found: PublishedFile) -> _PublishedFileResponse:
    # Nobody writes into the file, so its checksum identifies it.
    tag = hashlib.sha256(f"{found.file.key} {found.file.crc64}".encode()).hexdigest()[:32]
    headers = {"Content-Disposition": content_disposition(found.file.name), "ETag": f'"{tag}"', **_HEADERS}
    return _PublishedFileResponse(found.path, headers=headers, media_type=found.file.media_type)
