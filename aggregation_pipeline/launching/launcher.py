"""Launches what somebody asks for: all of its runs or none, and once for each key."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4, uuid5

import sqlalchemy as sa
from dagster._core.workspace.context import WorkspaceProcessContext

from aggregation_pipeline.errors import ConfigError, LaunchError, NotReadyError, PipelineError
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.launching import requests
from aggregation_pipeline.launching.plan import LaunchRequest, Plan, plan
from aggregation_pipeline.launching.requests import StoredRequest
from aggregation_pipeline.launching.submission import Submission
from aggregation_pipeline.launching.unfinished import require_free
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, release, wait_in_session
from aggregation_pipeline.postgres.engine import create_engine, deadline
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.tags import REQUEST_ID_TAG, REQUESTED_BY_TAG
from aggregation_pipeline.settings.base import Settings

_NAMESPACE: Final = UUID("5f0f5c2e-6d0e-5f44-9d0c-3c6a3f6f7f0a")
_LOCK: Final = lock_key(AdvisoryLock.LAUNCHES)
# Whoever waits for the lock longer is refused; nothing of the request is done then.
_STATEMENT_SECONDS: Final = 15.0
_TOOK_TOO_LONG: Final = "57014"
# A hundred runs are created in some seconds. A session that is open longer has met a frozen server.
_SESSION_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Launched:
    """A request whose runs are in the queue, or were; `replayed` if it had been made before."""

    request: StoredRequest
    replayed: bool


class Launcher:
    """May be called from any thread. All of it waits for PostgreSQL or for the code server."""

    def __init__(self, settings: Settings, context: WorkspaceProcessContext, project: Callable[[], Project]) -> None:
        self._context = context
        self._project = project
        self._engine = create_engine(
            settings.require_dagster_url(),
            application_name="aggregation launches",
            statement_timeout=_STATEMENT_SECONDS,
        )

    def plan(self, request: LaunchRequest) -> Plan:
        """Return what a request comes to now, and launch nothing.

        Raises:
            ConfigError: it asks for what there is not.
            LaunchError: it would be too many runs.
            NotReadyError: aggregation.yaml cannot be used.
        """
        return plan(self._usable_project(), request, datetime.now(UTC))

    def find(self, request_id: UUID) -> StoredRequest | None:
        """Return a request of the last days.

        Raises:
            NotReadyError: PostgreSQL does not answer.
        """
        with self._session() as connection:
            return requests.find(connection, request_id)

    def launch(self, request: LaunchRequest, *, requested_by: str, key: str | None) -> Launched:
        """Launch a request, or finish one that was made before with the same key.

        Raises:
            ConfigError: it asks for what there is not.
            UnfinishedError: runs that are not finished write a window of it.
            NotReadyError: PostgreSQL or the code server does not answer, or the configuration is not loaded.
            LaunchError: it would be too many runs, or the key stands for another request.
        """
        request_id = uuid4() if key is None else uuid5(_NAMESPACE, json.dumps([requested_by, key]))
        fingerprint = _fingerprint(request)
        earlier = None if key is None else self.find(request_id)
        if earlier is not None and _same(earlier, fingerprint).is_submitted:
            return Launched(earlier, replayed=True)
        project: Project | None = None
        if earlier is None:
            project = self._usable_project()
            seed = request_id if key is None else self._seed(request_id)
            planned = plan(project, request, datetime.now(UTC)).with_ids(seed)
        else:
            planned = earlier.plan
        submission = self._submission(request_id, requested_by, planned)
        # The code server is asked before the lock is taken.
        submission.prepare(project)
        with self._locked() as connection:
            requests.ensure_table(connection)
            earlier = requests.find(connection, request_id)
            if earlier is None:
                require_free(self._context.instance, planned.runs)
                stored = requests.insert(
                    connection, request_id, fingerprint=fingerprint, requested_by=requested_by, plan=planned
                )
            else:
                stored = _same(earlier, fingerprint)
                if stored.plan != planned:
                    # Made meanwhile, by a process that died before it was done.
                    submission = self._submission(request_id, requested_by, stored.plan)
            if not stored.is_submitted:
                submission.submit()
                stored = requests.mark_submitted(connection, stored)
        return Launched(stored, replayed=earlier is not None)

    def _seed(self, request_id: UUID) -> UUID:
        """Return what the ids of the runs follow from: the id of the request, except if its key was used long ago."""
        with outage_of_storage_as_not_ready():
            is_known = self._context.instance.get_run_by_id(str(uuid5(request_id, "0"))) is not None
        return uuid5(request_id, datetime.now(UTC).isoformat()) if is_known else request_id

    def _submission(self, request_id: UUID, requested_by: str, planned: Plan) -> Submission:
        tags = {REQUESTED_BY_TAG: requested_by, REQUEST_ID_TAG: str(request_id)}
        return Submission(self._context, planned.runs, tags)

    def _usable_project(self) -> Project:
        try:
            return self._project()
        except PipelineError as error:
            raise NotReadyError(f"Nothing can be launched for the moment: {error}") from error

    @contextmanager
    def _session(self) -> Iterator[sa.Connection]:
        with outage_of_storage_as_not_ready():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            with closing(connection), deadline(connection, _SESSION_SECONDS):
                yield connection

    @contextmanager
    def _locked(self) -> Iterator[sa.Connection]:
        """Open a session that holds the lock of all launches: only its holder looks for open windows and fills them."""
        with self._session() as connection:
            try:
                wait_in_session(connection, _LOCK)
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "pgcode", None) != _TOOK_TOO_LONG:
                    raise
                raise NotReadyError("Other requests are being launched. Try again in some seconds") from error
            try:
                yield connection
            finally:
                # A session that is gone has freed it.
                with suppress(sa.exc.SQLAlchemyError):
                    release(connection, _LOCK)


@contextmanager
def outage_of_storage_as_not_ready() -> Iterator[None]:
    """Raise NotReadyError where PostgreSQL does not answer, or refuses."""
    try:
        with outage_of_storage():
            yield
    except (ConfigError, LaunchError):
        raise
    except PipelineError as error:
        raise NotReadyError(f"Nothing can be asked or launched for the moment: {error}") from error


def _same(stored: StoredRequest, fingerprint: str) -> StoredRequest:
    """Return the request that a key stands for, if it is the one that is made now."""
    if stored.fingerprint != fingerprint:
        raise LaunchError(
            "This Idempotency-Key stands for another request, which was made at"
            f" {stored.created_at.isoformat(timespec='seconds')}: take a new key for a new request"
        )
    return stored


def _fingerprint(request: LaunchRequest) -> str:
    return hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode()).hexdigest()
