"""What is read for people: the project, also while its file is broken, and batch_jobs, also before its first row."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, OpenRepository
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.project import Project


class LastProject:
    """The project as it could be read last. One thread at a time may read it.

    Attributes:
        project: None before the first that could be read.
    """

    def __init__(self, read_project: Callable[[], Project]) -> None:
        self._read_project = read_project
        self.project: Project | None = None

    def read(self) -> bool:
        """Read it again. Return whether it can be read now; otherwise it stays as it was."""
        with suppress(ConfigError, SettingsError):
            self.project = self._read_project()
            return True
        return False


def with_table(open_rows: OpenRepository) -> OpenRepository:
    """Return what opens the same rows, and creates the table before they are used first.

    The mirror creates it too, and may not have looked yet: nothing has run then, and that is no error.
    """
    is_there = False

    @contextmanager
    def open_with_table(seconds: float) -> Iterator[BatchJobRepository]:
        nonlocal is_there
        with open_rows(seconds) as rows:
            if not is_there:
                rows.ensure_table()
                is_there = True
            yield rows

    return open_with_table
