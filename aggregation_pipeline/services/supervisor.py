"""Starts the code server, the web process and the daemon in this order, keeps them running, and ends them in reverse.

None of them outlives the supervisor.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from aggregation_pipeline.services import code_server, loaded_config_digests
from aggregation_pipeline.services.end_with_supervisor import command_that_ends, supervisor_lifeline
from aggregation_pipeline.services.private_folder import claim_path, private_folder
from aggregation_pipeline.services.service import Service

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS: Final = 0.3
# How long a service has to end, once it is told to.
_DAEMON_SECONDS: Final = 30.0
_WEB_SECONDS: Final = 10.0
_KILLED_SECONDS: Final = 10.0
# The same for interrupted runs: they record their end, and close what they have open.
_INTERRUPTED_SECONDS: Final = 15.0
# The same for services that a killed supervisor has left: they were interrupted when it died.
_LEFTOVER_SECONDS: Final = 15.0
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
    """Run the services until this process gets SIGINT, SIGTERM or SIGHUP.

    If the supervisor is killed, the web process and the daemon end at once, and the code server with its last run.

    Args:
        environment: all variables that the services see.
        folder: their working folder.
        host: the address that the web process listens on.
        port: its port.
        say: gets a line for whatever a user should know.
        log_level: of what Dagster logs.
        stop_seconds: how long runs may go on after the signal before they are interrupted too.
    """
    with (
        _stop_signals() as stopping,
        private_folder(say, grace=_LEFTOVER_SECONDS, patient=_CODE_SERVER) as private,
        supervisor_lifeline() as lifeline,
    ):
        socket, workspace, record = private / "code.sock", private / "workspace.yaml", private / "loading.json"
        workspace.write_text(code_server.workspace(socket), encoding="utf-8")

        def service(name: str, module: list[str], seconds: float, **variables: str) -> Service:
            command = command_that_ends(claim_path(private, name), seconds, module)
            return Service(name, command, {**environment, **variables}, folder, say, stdin=lifeline)

        code = service(
            _CODE_SERVER, code_server.module(socket, log_level), 0, **{loaded_config_digests.VARIABLE: str(record)}
        )
        web = service("web process", _web(workspace, host, port, log_level), _WEB_SECONDS)
        daemon = service("daemon", _daemon(workspace, log_level), _LEFTOVER_SECONDS)
        watch = code_server.Watch(socket, record, say)
        try:
            _run(stopping, code, watch, [web, daemon])
        finally:
            watch.stop()
            say("Stopping")
            # The daemon first, so that no more runs start. The web process last: its pages show what still runs.
            _end(daemon, _DAEMON_SECONDS)
            _end_code_server(code, watch, stop_seconds, say)
            _end(web, _WEB_SECONDS)


def _web(workspace: Path, host: str, port: int, log_level: str) -> list[str]:
    return [
        *("aggregation_pipeline.web", "--host", host, "--port", str(port)),
        *("--workspace", str(workspace), "--log-level", log_level),
    ]


def _daemon(workspace: Path, log_level: str) -> list[str]:
    return ["dagster._daemon", "run", "--log-level", log_level, "--workspace", str(workspace)]


def _run(stopping: threading.Event, code: Service, watch: code_server.Watch, others: list[Service]) -> None:
    code.start()
    watch.start()
    # Without a code server the other services would only log errors. But they must not wait for ever.
    wait_until = time.monotonic() + code_server.LOADING_SECONDS
    while not stopping.wait(_POLL_SECONDS):
        if watch.restart.is_set():
            # Only the outer server: runs are children of its inner server, which ends by itself after the last of them.
            code.end(signal.SIGKILL, _KILLED_SECONDS)
        process_before = code.process
        code.keep()
        if code.process is not None and code.process is not process_before:
            watch.server_started()
        if watch.answered.is_set() or time.monotonic() > wait_until:
            wait_until = 0.0
            for other in others:
                other.keep()


def _end(service: Service, seconds: float) -> None:
    if not service.end(signal.SIGINT, seconds):
        service.end_group(signal.SIGKILL, seconds)


def _end_code_server(code: Service, watch: code_server.Watch, seconds: float, say: Callable[[str], None]) -> None:
    # The whole group: an inner server outlives its killed outer server until it has missed heartbeats for a minute.
    if watch.shut_down() and code.wait_group(seconds):
        return
    say("Interrupting the runs that still go on")
    if not code.end_group(signal.SIGINT, _INTERRUPTED_SECONDS):
        code.end_group(signal.SIGKILL, _INTERRUPTED_SECONDS)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
