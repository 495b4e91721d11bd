"""`/files/...`: the published files of a folder."""

import hashlib
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.storage.content_disposition import content_disposition
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.published_file import PublishedFile, find_published
from aggregation_pipeline.web.common.answers import NAME, PROBLEM
from aggregation_pipeline.web.common.workers import Workers

# A browser saves the file. Should it ever show one, nothing in it runs, and it may load nothing.
_HEADERS: Final = {"Content-Security-Policy": "sandbox; default-src 'none'"}
_LIMIT_SECONDS: Final = 5.0
_NOT_FOUND: Final = (
    "No published file has this address. Retention may have deleted it; GET /status/{batchJobId} has links."
)


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
