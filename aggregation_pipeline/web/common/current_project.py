"""The configured tables, as the web process knows them."""

import threading
from contextlib import suppress

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.settings.base import Settings


class CurrentProject:
    """Reads aggregation.yaml, and reads it again when its content has changed. May be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.aggregation_config or DEFAULT_CONFIG
        self._settings = settings
        self._lock = threading.Lock()
        self._content: bytes | None = None
        self._project: Project | None = None

    def __call__(self) -> Project:
        """Return the project of the file as it is now. Entries that cannot be used are placeholders in it.

        Raises:
            ConfigError: the file cannot be read, or has an issue outside of its entries.
        """
        with self._lock:
            content = None
            # Then it is read once more below, by what says why it cannot be.
            with suppress(OSError):
                content = self._path.read_bytes()
            if self._project is None or content != self._content:
                self._project = load_usable_project(self._settings, content)
                self._content = content
            return self._project
