"""Code server, web process and daemon: started in this order, kept alive, and ended in the other. None outlives the
supervisor.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from aggregation_pipeline.services import code_server, load_record
from aggregation_pipeline.services.child import Child
from aggregation_pipeline.services.end_with_supervisor import end_with_supervisor, tied
from aggregation_pipeline.services.private_folder import place_of, private_folder

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS: Final = 0.3
_DAEMON_SECONDS: Final = 30.0
_WEB_SECONDS: Final = 10.0
_KILLED_SECONDS: Final = 10.0
# For runs that were interrupted: they note their end, and close what they have open.
_INTERRUPTED_SECONDS: Final = 15.0
# For services of a supervisor that was killed: they were interrupted when it was.
_LEFT_SECONDS: Final = 15.0
_CODE_SERVER: Final = "code server"


def supervise(
    environment: Mapping[str, str],
    folder: Path,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    log_level: str = "warning",
    stop_seconds: float = 20.0,
) -> None:
    """Run the services until SIGINT, SIGTERM or SIGHUP comes.

    `environment` and the working `folder` are the services'; `stop_seconds` is how long runs may go on after that
    before they are interrupted, too. Of a supervisor that is killed, web process and daemon end at once, and the code
    server with its last run.
    """
    with (
        _stop_signals() as stopping,
        private_folder(say, grace=_LEFT_SECONDS, patient=_CODE_SERVER) as private,
        end_with_supervisor() as held,
    ):
        socket, workspace, note = private / "code.sock", private / "workspace.yaml", private / "loading.json"
        workspace.write_text(code_server.workspace(socket), encoding="utf-8")

        def child(name: str, module: list[str], seconds: float, **variables: str) -> Child:
            command = tied(place_of(private, name), seconds, module)
            return Child(name, command, {**environment, **variables}, folder, say, stdin=held)

        code = child(_CODE_SERVER, code_server.module(socket, log_level), 0, **{load_record.VARIABLE: str(note)})
        web = child("web process", _web(workspace, host, port, log_level), _WEB_SECONDS)
        daemon = child(
            "daemon", ["dagster._daemon", "run", "--log-level", log_level, "--workspace", str(workspace)], _LEFT_SECONDS
        )
        watch = code_server.Watch(socket, note, say)
        try:
            _run(stopping, code, watch, [web, daemon])
        finally:
            watch.stop()
            say("Stopping")
            # No new runs and no sensors first, and the pages until the end, which show what still runs.
            _end(daemon, _DAEMON_SECONDS)
            _end_code_server(code, watch, stop_seconds, say)
            _end(web, _WEB_SECONDS)


def _web(workspace: Path, host: str, port: int, log_level: str) -> list[str]:
    return [
        *("aggregation_pipeline.web", "--host", host, "--port", str(port)),
        *("--workspace", str(workspace), "--log-level", log_level),
    ]


def _run(stopping: threading.Event, code: Child, watch: code_server.Watch, others: list[Child]) -> None:
    code.start()
    watch.start()
    # Without code to show or to ask they would only complain; but they must not wait for ever.
    patience = time.monotonic() + code_server.LOADING_SECONDS
    while not stopping.wait(_LOOK_SECONDS):
        if watch.restart.is_set():
            # That process alone: runs are children of its inner server, which ends by itself when the last of them has.
            code.end(signal.SIGKILL, _KILLED_SECONDS)
        before = code.process
        code.keep()
        if code.process is not None and code.process is not before:
            watch.be_patient()
        if watch.answered.is_set() or time.monotonic() > patience:
            patience = 0.0
            for other in others:
                other.keep()


def _end(child: Child, seconds: float) -> None:
    if not child.end(signal.SIGINT, seconds):
        child.end_group(signal.SIGKILL, seconds)


def _end_code_server(code: Child, watch: code_server.Watch, seconds: float, say: Callable[[str], None]) -> None:
    if watch.shut_down() and code.wait(seconds):
        return
    say("Interrupting the runs that still go on")
    if not code.end_group(signal.SIGINT, _INTERRUPTED_SECONDS):
        code.end_group(signal.SIGKILL, _INTERRUPTED_SECONDS)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
