"""The one code server that web process and daemon share, and a watch over it.

`dagster code-server start` holds the code in a process of its own, the inner server. When that one is killed, the outer
lives on, and so does its health check; every question about the code is answered with an error until somebody asks for
a reload. So it is asked what people need from it: its repositories.
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

from aggregation_pipeline.services import load_record

# States and cursors of schedules and sensors hang on this name: it is the one in the shipped workspace.yaml too.
LOCATION: Final = "aggregation_pipeline"
MODULE: Final = "aggregation_pipeline.definitions"
INTERVAL_SECONDS: Final = 5.0
# A machine with all its processors busy takes long to answer; a server that is frozen never does.
ANSWER_SECONDS: Final = 20
# The code is loaded before the new inner server answers.
LOADING_SECONDS: Final = 180


def module(socket: Path, log_level: str = "warning") -> list[str]:
    """What `python -m` has to run for it on a unix socket; the folder of the socket says who may reach it."""
    return [
        *("dagster", "code-server", "start", "--socket", str(socket), "--module-name", MODULE),
        *("--location-name", LOCATION, "--log-level", log_level),
    ]


def workspace(socket: Path) -> str:
    """The workspace.yaml with which web process and daemon use it."""
    return yaml.safe_dump({"load_from": [{"grpc_server": {"socket": str(socket), "location_name": LOCATION}}]})


class Watch:
    """Asks every few seconds. No answer: a reload, which starts another inner server; still none: `restart` is set.

    An answer that says that the code cannot be loaded is an answer: runs wait in the queue, and somebody has to mend a
    file. Once that file holds something else than what was loaded, which stands in `note`, it is loaded again. Code
    that was loaded stays as it is until somebody asks for a reload.
    """

    def __init__(self, socket: Path, note: Path, say: Callable[[str], None]) -> None:
        self._client = DagsterGrpcClient(socket=str(socket))
        self._note = note
        self._say = say
        self._tried: Mapping[str, str | None] = {}
        self._stopped = threading.Event()
        self._patient_until = 0.0
        self._start = 0
        self.answered = threading.Event()
        self.restart = threading.Event()
        self._thread = threading.Thread(target=self._run, name="code server watch", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self.be_patient()
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def be_patient(self) -> None:
        """To be called when the server was started: it answers when the code is loaded, not before."""
        self._start += 1
        self._patient_until = time.monotonic() + LOADING_SECONDS
        self.answered.clear()
        self.restart.clear()

    def shut_down(self) -> bool:
        """Ask the server to take no more runs and to end when the last has ended; whether it heard."""
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
                if isinstance(answer, SerializableErrorInfo):
                    self._load_if_changed(start)
            elif self.answered.is_set():
                self._bring_back(start)
            elif time.monotonic() > self._patient_until:
                self._give_up(start, "did not answer in time after its start")

    def _answer(self) -> object:
        """The repositories, or why there are none; None for no answer."""
        try:
            # Dagster's own function for this question takes no time limit.
            question = dagster_api_pb2.ListRepositoriesRequest()
            reply = self._client._get_response("ListRepositories", question, ANSWER_SECONDS)  # noqa: SLF001
        except Exception:  # noqa: BLE001 - whatever gRPC calls it, this was no answer
            return None
        answer = deserialize_value(reply.serialized_list_repositories_response_or_error)
        # The outer server says this of itself when the inner one has died while it started; what is wrong in the code,
        # the inner one says.
        died = isinstance(answer, SerializableErrorInfo) and answer.cls_name == DagsterUserCodeProcessError.__name__
        return None if died else answer

    def _load_if_changed(self, start: int) -> None:
        noted = load_record.noted(self._note)
        now = load_record.held(noted)
        # A load that did not come as far as to write its note is not tried for ever.
        if now in (noted, self._tried) or self._is_over(start):
            return
        self._tried = now
        changed = ", ".join(file for file in now if now[file] != noted[file])
        self._say(
            f"The code could not be loaded, and {changed} has changed since: the code server loads its code again"
        )
        with suppress(DagsterUserCodeUnreachableError):
            self._client.reload_code(timeout=LOADING_SECONDS)

    def _bring_back(self, start: int) -> None:
        if self._is_over(start):
            return
        self._say("The code server does not tell its repositories: it loads its code again")
        with suppress(DagsterUserCodeUnreachableError):
            self._client.reload_code(timeout=LOADING_SECONDS)
        if self._answer() is None:
            self._give_up(start, "does not tell its repositories after a reload either")

    def _give_up(self, start: int, why: str) -> None:
        if self._is_over(start):
            return
        self._say(f"The code server {why}: it is started again")
        self.restart.set()
        # The supervisor sees to it, and then calls be_patient.
        while self.restart.is_set() and not self._stopped.wait(INTERVAL_SECONDS / 10):
            pass

    def _is_over(self, start: int) -> bool:
        """Whether the server that was asked is not the one that runs: it had ended, and another was started
        meanwhile.
        """
        return self._stopped.is_set() or self._start != start
