"""The code server that the web process and the daemon share, and a watch over it.

`dagster code-server start` runs the code in a child process, the inner server. If the inner server is killed, the outer
one keeps running and its health check still succeeds, but every question about the code gets an error until somebody
asks for a reload. So the watch asks the question that people need answered: which repositories are there?
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import yaml
from dagster import deserialize_value
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.client import DagsterGrpcClient
from dagster_shared.error import SerializableErrorInfo

from aggregation_pipeline.services import loaded_config_digests
from aggregation_pipeline.services.changed_config import ChangedConfig

# Dagster stores the states and cursors of schedules and sensors under this name. workspace.yaml has the same.
LOCATION: Final = "aggregation_pipeline"
MODULE: Final = "aggregation_pipeline.definitions"
DEFINITIONS: Final = (MODULE, "defs")
INTERVAL_SECONDS: Final = 5.0
# A busy machine takes long to answer; a frozen server never answers.
ANSWER_SECONDS: Final = 20
# A new inner server answers only after it has loaded the code, half a minute of processor for 10,000 tables. One that
# is replaced too early goes on loading beside the next one.
LOADING_SECONDS: Final = 600


def module(socket: Path, log_level: str = "warning") -> list[str]:
    """Return what `python -m` has to run. Whoever may enter the socket's folder may use the code server."""
    return [
        *("dagster", "code-server", "start", "--socket", str(socket), "--module-name", MODULE),
        *("--location-name", LOCATION, "--log-level", log_level),
    ]


def workspace(socket: Path) -> str:
    """Return the workspace.yaml with which the web process and the daemon use it."""
    return yaml.safe_dump({"load_from": [{"grpc_server": {"socket": str(socket), "location_name": LOCATION}}]})


class Watch:
    """Asks the code server every few seconds.

    If it does not answer, the watch asks for a reload, which starts another inner server. If it still does not answer,
    `restart` is set, and the supervisor starts another outer server.

    "The code cannot be loaded" is an answer too: runs wait in the queue, and somebody has to correct a file. Once that
    file differs from what was loaded, which is in `record`, the watch loads the code again. Code that could be loaded
    stays as it is until `changed` has proved that the changed file can be loaded, or somebody asks for a reload.
    """

    def __init__(self, socket: Path, record: Path, changed: ChangedConfig, say: Callable[[str], None]) -> None:
        self._client = DagsterGrpcClient(socket=str(socket))
        self._record = record
        self._changed = changed
        self._say = say
        self._last_tried: Mapping[str, str | None] = {}
        self._stopped = threading.Event()
        self._patient_until = 0.0
        # Counts the starts of the outer server.
        self._start = 0
        self.answered = threading.Event()
        # As `answered`, by this server or one before it.
        self.has_answered = threading.Event()
        self.restart = threading.Event()
        self._thread = threading.Thread(target=self._run, name="code server watch", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self.server_started()
        self._thread.start()

    def stop(self) -> None:
        """Stop asking."""
        self._stopped.set()

    def server_started(self) -> None:
        """Tell the watch that another server was started. It answers only when the code is loaded."""
        self._start += 1
        self._patient_until = time.monotonic() + LOADING_SECONDS
        self.answered.clear()
        self.restart.clear()

    def shut_down(self) -> bool:
        """Ask the server to take no more runs, and to end after the last one; return whether it got the message."""
        try:
            self._client.shutdown_server(timeout=ANSWER_SECONDS)
        except DagsterUserCodeUnreachableError:
            return False
        return True

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS if self.answered.is_set() else INTERVAL_SECONDS / 10):
            start = self._start
            answer = self._answer()
            if answer is not None:
                self.answered.set()
                self.has_answered.set()
                if isinstance(answer, SerializableErrorInfo):
                    self._load_if_changed(start)
                elif self._changed.is_ready() and not self._is_outdated(start):
                    self._load()
            elif self.answered.is_set():
                self._bring_back(start)
            elif time.monotonic() > self._patient_until:
                self._give_up(start, "did not answer in time after its start")
        self._changed.stop()

    def _answer(self) -> object:
        """Return the repositories, or the error of the code that has none; None if there is no answer."""
        try:
            # Dagster's own function for this question takes no time limit.
            question = dagster_api_pb2.ListRepositoriesRequest()
            reply = self._client._get_response("ListRepositories", question, ANSWER_SECONDS)  # noqa: SLF001
        except Exception:  # noqa: BLE001 - gRPC has many errors for "no answer"
            return None
        answer = deserialize_value(reply.serialized_list_repositories_response_or_error)
        # The outer server answers this if the inner one died while it started. An error in the code comes from the
        # inner server.
        died = isinstance(answer, SerializableErrorInfo) and answer.cls_name == DagsterUserCodeProcessError.__name__
        return None if died else answer

    def _load_if_changed(self, start: int) -> None:
        loaded = loaded_config_digests.read_record(self._record)
        now = loaded_config_digests.digests(loaded)
        # The second comparison: a load that fails before it writes its record is not tried again and again.
        if now in (loaded, self._last_tried) or self._is_outdated(start):
            return
        self._last_tried = now
        changed = ", ".join(file for file in now if now[file] != loaded[file])
        self._say(
            f"The code could not be loaded, and {changed} has changed since: the code server loads its code again"
        )
        self._load()

    def _bring_back(self, start: int) -> None:
        if self._is_outdated(start):
            return
        self._say("The code server does not answer: it loads its code again")
        self._load()
        if self._answer() is None:
            self._give_up(start, "does not answer after a reload either")

    def _load(self) -> None:
        with suppress(DagsterUserCodeUnreachableError):
            self._client.reload_code(timeout=LOADING_SECONDS)

    def _give_up(self, start: int, why: str) -> None:
        if self._is_outdated(start):
            return
        self._say(f"The code server {why}: it is started again")
        self.restart.set()
        # The supervisor starts it, and then calls server_started.
        while self.restart.is_set() and not self._stopped.wait(INTERVAL_SECONDS / 10):
            pass

    def _is_outdated(self, start: int) -> bool:
        """Return whether the server that was asked has ended, and another was started meanwhile."""
        return self._stopped.is_set() or self._start != start
