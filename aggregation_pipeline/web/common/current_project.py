"""The configured tables, as the web process knows them."""

import threading
from collections.abc import Mapping
from contextlib import suppress

from aggregation_pipeline.assets.needs import queues_of
from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.named_sources import NamedSources, PlaceOfSource


class CurrentProject:
    """Reads aggregation.yaml, and reads it again when its content has changed. May be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.aggregation_config or DEFAULT_CONFIG
        self._settings = settings
        self._lock = threading.Lock()
        self._content: bytes | None = None
        self._project: Project | None = None

    def sources(self) -> Mapping[str | None, PlaceOfSource]:
        """Return what tells where each source is that entries read now, by its name; None stands for that of DB_HOST.

        If aggregation.yaml cannot be used, there is that one alone.
        """
        sources, used = NamedSources(self._settings, {}), tuple[str | None, ...]((None,))
        with suppress(PipelineError):
            project = self()
            sources, used = project.sources, project.used_sources
        return {name: sources.place(name) for name in used if name is not None or self._settings.has_source}

    def queues(self) -> set[str]:
        """Return the queues of workers that entries name now; none if aggregation.yaml cannot be used."""
        with suppress(PipelineError):
            return queues_of(table.entry for table in self().tables)
        return set()

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
