"""The broker between who launches runs and who computes them: Celery's app on Redis, and what lies in the queues.

A message says the id of a run and nothing else. What the run is, and whether it may begin, is in PostgreSQL.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aggregation_pipeline.errors import BrokerBusyError, BrokerError, SettingsError
from aggregation_pipeline.settings.runner import broker_place

if TYPE_CHECKING:
    import redis
    from celery import Celery
    from dagster import DagsterInstance

TASK: Final = "aggregation.execute_run"
# The run tag that names the queue of a run, as dagster-celery has it. Without it: the default queue.
QUEUE_TAG: Final = "dagster-celery/queue"
DEFAULT_QUEUE: Final = "default"
# What workers are asked to say of themselves.
DESCRIBE: Final = "aggregation_worker"
# What Redis says where it refuses us.
_REFUSALS: Final = (
    *("WRONGPASS", "NOAUTH", "NOPERM", "Authentication required", "already authenticated"),
    *("invalid username-password", "invalid password"),
)
_ANSWER_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 5.0
# kombu keeps the messages of a queue in one list a priority.
_PRIORITY_LISTS: Final = ("", "\x06\x163", "\x06\x166", "\x06\x169")


@dataclass(frozen=True)
class Broker:
    """Redis, where it is and under which prefix this deployment has its keys.

    Attributes:
        url: a secret.
        deployment: DEPLOYMENT_NAME.
        storage: the id of Dagster's storage. A worker must not take the runs of another storage, which it cannot find.
    """

    url: str
    deployment: str
    storage: str

    @property
    def place(self) -> str:
        """Where it is, as messages may say it."""
        return broker_place(self.url)

    @property
    def prefix(self) -> str:
        """The beginning of every key."""
        return f"aggregation:{self.deployment}:{self.storage}:"

    def _celery_config(self, longest_run_seconds: int) -> dict[str, Any]:
        return {
            "broker_url": self.url,
            "result_backend": None,
            "task_ignore_result": True,
            "task_serializer": "json",
            "accept_content": ["json"],
            "task_default_queue": DEFAULT_QUEUE,
            # Whoever has a free slot takes the next run, and nobody keeps others in reserve.
            "worker_prefetch_multiplier": 1,
            "worker_disable_prefetch": True,
            # A message is gone once its run was handed to a process: a run that has begun never begins again. Runs
            # whose process is gone are found by their locks, and messages that are gone by the sensor `lost_runs`.
            "task_acks_late": False,
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "broker_transport_options": {
                "global_keyprefix": self.prefix,
                "visibility_timeout": longest_run_seconds + 3600,
                "socket_connect_timeout": _TIMEOUT_SECONDS,
                "socket_timeout": 4 * _TIMEOUT_SECONDS,
                "socket_keepalive": True,
                "health_check_interval": 10,
            },
            "worker_hijack_root_logger": False,
            "worker_redirect_stdouts": False,
        }

    def app(self, longest_run_seconds: int = 0) -> "Celery":
        """Celery's app, without tasks. `longest_run_seconds` is how long a run may take; workers need it."""
        from celery import Celery

        app = Celery("aggregation", set_as_current=False)
        app.conf.update(self._celery_config(longest_run_seconds))
        return app

    def ping(self) -> None:
        """Raise BrokerError if Redis does not answer, or refuses us."""
        with self._client() as client:
            client.ping()

    def eviction_policy(self) -> str | None:
        """Redis' maxmemory-policy; None where it may not be asked.

        Raises:
            BrokerError: Redis does not answer.
        """
        import redis

        with self._client() as client:
            try:
                return str(client.config_get("maxmemory-policy").get("maxmemory-policy"))
            except redis.exceptions.ResponseError:
                return None

    def waiting_runs(self, queues: Iterable[str]) -> set[str]:
        """The ids of the runs whose message lies in one of the queues.

        Raises:
            BrokerError: Redis does not answer.
        """
        found = set()
        with self._client() as client:
            for queue in queues:
                for part in _PRIORITY_LISTS:
                    found |= {_run_of(message) for message in client.lrange(f"{self.prefix}{queue}{part}", 0, -1)}
        return found - {""}

    def workers(self, seconds: float = _ANSWER_SECONDS) -> dict[str, dict[str, Any]]:
        """What each worker says of itself that answers within `seconds`, by its name.

        Raises:
            BrokerError: Redis does not answer.
        """
        self.ping()
        with broker_errors(self.place):
            app = self.app()
            try:
                # A connection of its own: those that this process keeps may have died with the Redis before this one.
                with app.connection_for_write() as connection:
                    replies = app.control.broadcast(DESCRIBE, reply=True, timeout=seconds, connection=connection) or []
            finally:
                app.close()
        return {name: said for reply in replies for name, said in reply.items() if isinstance(said, dict)}

    @contextmanager
    def _client(self) -> Iterator["redis.Redis"]:
        import redis

        with broker_errors(self.place):
            client = redis.Redis.from_url(
                self.url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
            )
            try:
                yield client
            finally:
                client.close()


def broker_of(instance: "DagsterInstance", url: str, deployment: str) -> Broker:
    """Return the broker for the runs of an instance.

    Raises:
        SettingsError: Dagster's storage is not one in PostgreSQL. Where it does not answer, its own errors.
    """
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        raise SettingsError(f"Dagster keeps its runs in {type(storage).__name__}: RUNNER=celery needs PostgreSQL")
    return Broker(url, deployment, storage.get_run_storage_id())


@contextmanager
def broker_errors(place: str) -> Iterator[None]:
    """Turn what Redis and Celery raise into BrokerError, or BrokerBusyError where it may pass."""
    import redis
    from kombu.exceptions import OperationalError

    try:
        yield
    except (redis.exceptions.RedisError, OperationalError, OSError) as error:
        text = (str(error) or type(error).__name__).splitlines()[0]
        if any(word in text for word in _REFUSALS):
            raise BrokerError(
                f"Redis at {place} refuses the password or the user: correct CELERY_BROKER_URL"
            ) from error
        if "DB index is out of range" in text:
            raise BrokerError(
                f"Redis at {place} has no database of that number: correct the end of CELERY_BROKER_URL, such as /0"
            ) from error
        raise BrokerBusyError(
            f"Redis at {place} does not answer ({text}): check CELERY_BROKER_URL and that Redis runs"
        ) from error


def _run_of(message: bytes | str) -> str:
    """The id of the run that a message is about; empty for what is no message of ours."""
    try:
        return str(json.loads(message)["headers"]["id"])
    except (ValueError, LookupError, TypeError):
        return ""
