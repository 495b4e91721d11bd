"""Links to published files, wherever they are."""

from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.requests import HTTPConnection

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import check_key
from aggregation_pipeline.web.common.links import link


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
