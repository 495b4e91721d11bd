"""Whether batch_jobs answers, where it has a database of its own."""

from collections.abc import Callable

from aggregation_pipeline.batch_jobs.repository import kept_repository
from aggregation_pipeline.health.probe import LIMIT_SECONDS, Check
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings


def batch_jobs_check(settings: Settings) -> tuple[Check, Callable[[], None]]:
    """Return a check that reads no row, and what closes its connection. The check raises MirrorError."""
    open_rows, close = kept_repository(settings, application_name="aggregation health")
    owner = Owner(settings.deployment_name, "")

    def check() -> None:
        with open_rows(LIMIT_SECONDS) as rows:
            rows.read_rows(owner, [])

    return check, close
