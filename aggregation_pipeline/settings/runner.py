"""The variables that say where runs are computed: on this machine, or by workers on several ones."""

import importlib.util
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr, field_validator

from aggregation_pipeline.config.hosts_and_urls import host_problem
from aggregation_pipeline.config.run_requirements import queue_problem
from aggregation_pipeline.errors import SettingsError

Runner = Literal["local", "celery", "kubernetes", "docker"]

# What each runner has to have installed: a module of it, and the extra that brings it.
_MODULES: Final = {"celery": "dagster_celery", "kubernetes": "dagster_k8s", "docker": "dagster_docker"}
_BROKER: Final = "redis://:password@host:6379/0"
# What has a disk of its own with these, where a run is computed.
_ELSEWHERE: Final = {"celery": "machine", "kubernetes": "machine", "docker": "container"}


class RunnerSettings(BaseModel):
    """Who computes the runs, and how they reach it."""

    runner: Runner = "local"
    # Where RUNNER=celery puts its runs: Redis, which hands them to the workers.
    celery_broker_url: SecretStr | None = None
    # Whether STORAGE_DIR is one folder for all machines that compute runs (NFS, a volume).
    storage_shared: bool = False

    @field_validator("celery_broker_url")
    @classmethod
    def _refuse_bad_broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (problem := _broker_problem(value.get_secret_value())):
            raise ValueError(
                f"{problem}. A URL of Redis is expected, such as {_BROKER}, or rediss:// with TLS; of the characters"
                " in a password, @ : / ? # and % are written as %40 %3A %2F %3F %23 %25"
            )
        return value

    def runner_problems(self, *, executor: str, folder_store: bool) -> list[str]:
        """Name what does not go with RUNNER. `executor` is EXECUTOR; `folder_store`: files go to STORAGE_DIR."""
        found = []
        if self.runner == "celery" and self.celery_broker_url is None:
            found.append(f"RUNNER=celery needs CELERY_BROKER_URL, the Redis that hands runs to workers: {_BROKER}")
        if self.runner == "celery" and executor == "multiprocess":
            found.append(
                "EXECUTOR=multiprocess does not go with RUNNER=celery: each run of a worker would start processes that"
                " `worker --concurrency` does not count. Leave EXECUTOR out; tables are computed at once if each has a"
                " run of its own"
            )
        if (elsewhere := _ELSEWHERE.get(self.runner)) and folder_store and not self.storage_shared:
            found.append(
                f"RUNNER={self.runner} with files in STORAGE_DIR: each {elsewhere} would write into a folder of its"
                " own. Set OSS_BUCKET, or set STORAGE_SHARED=true if STORAGE_DIR is one folder (NFS, a volume) for all"
                " of them"
            )
        return found

    def require_runner(self) -> None:
        """Raise SettingsError if what RUNNER needs is not installed."""
        module = _MODULES.get(self.runner)
        if module is not None and importlib.util.find_spec(module) is None:
            raise SettingsError(
                f"RUNNER={self.runner} needs more than is installed here: pip install"
                f" 'aggregation-pipeline[{self.runner}]', on each machine that runs the daemon, the UI, the code server"
                " or a worker"
            )

    def require_broker_url(self) -> str:
        """Return the URL of the broker.

        Raises:
            SettingsError: CELERY_BROKER_URL is not set.
        """
        if self.celery_broker_url is None:
            raise SettingsError(
                f"CELERY_BROKER_URL is not set: workers take their runs from Redis. Set CELERY_BROKER_URL={_BROKER}"
            )
        return self.celery_broker_url.get_secret_value()


def problem_of_queue(name: str) -> str:
    """Why a queue of workers cannot have this name, which a run's tag may hold; empty if it can."""
    return queue_problem(name)


def broker_place(url: str) -> str:
    """The broker's host, port and database, without the password, as messages may show it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}/{parts.path.strip('/') or 0}"


def _broker_problem(url: str) -> str:
    """Why `url` can be no URL of Redis; empty if it can. The text never repeats what may be a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port cannot be read"
    if parts.scheme not in {"redis", "rediss"}:
        return "it does not begin with redis:// or rediss://"
    if port == 0:
        return "its port is 0"
    if not parts.hostname or (problem := host_problem(unquote(parts.hostname))):
        return f"it names no host: {problem}" if parts.hostname else "it names no host"
    if parts.fragment or not (parts.path.strip("/") or "0").isdecimal():
        return "what follows the host is not the number of a database"
    return ""
