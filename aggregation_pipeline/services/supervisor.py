"""Starts the code server, the web process and the daemon in this order, keeps them running, and ends them in order.

None of them outlives the supervisor. One that dies is started again; that touches no other.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, Literal

from aggregation_pipeline.services import code_server, loaded_config_digests
from aggregation_pipeline.services.changed_config import ChangedConfig
from aggregation_pipeline.services.end_with_supervisor import command_that_ends, supervisor_lifeline
from aggregation_pipeline.services.private_folder import claim_path, private_folder
from aggregation_pipeline.services.service import Service
from aggregation_pipeline.services.shared_socket import offered_socket, only_daemon, shared_socket
from aggregation_pipeline.settings.grpc_messages import LARGE_MESSAGES

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
# An idle code server ends within this. After it there is a run to wait for, which is worth a line.
_QUICK_SECONDS: Final = 3.0
# After this the others start without a code server, so that people see the UI.
_ALONE_SECONDS: Final = 180.0
_CODE_SERVER: Final = "code server"

ServiceName = Literal["web", "daemon", "code"]


@dataclass(frozen=True)
class Address:
    """Where the web process listens: on `host` and `port`, below `path_prefix` (empty, or such as /dagster)."""

    host: str
    port: int
    path_prefix: str = ""


@dataclass(frozen=True)
class _Stop:
    """Set by signals: `asked` by the first, and `at_once` by another one that comes while runs are waited for."""

    asked: threading.Event = field(default_factory=threading.Event)
    at_once: threading.Event = field(default_factory=threading.Event)


def supervise(
    environment: Mapping[str, str],
    folder: Path,
    address: Address,
    *,
    say: Callable[[str], None],
    only: ServiceName | None = None,
    shared: Path | None = None,
    log_level: str = "warning",
    stop_seconds: float = 20.0,
) -> None:
    """Run the services until this process gets SIGINT, SIGTERM or SIGHUP.

    If the supervisor is killed, the web process and the daemon end at once, and the code server with its last run.

    Args:
        environment: all variables that the services see. `folder` is their working folder.
        address: where the web process listens.
        say: gets a line for whatever a user should know.
        only: the one service to run; the others have supervisors of their own.
        shared: the folder in which services of other supervisors find the code server. It holds one code server.
        log_level: of what Dagster logs.
        stop_seconds: how long runs may go on after the signal; another signal ends the wait. Then they are interrupted.

    Raises:
        SettingsError: `shared` cannot be used, or another supervisor runs a code server or a daemon there.
    """
    say = _never_failing(say)
    with (
        _stop_signals() as stop,
        private_folder(say, grace=_LEFTOVER_SECONDS, patient=_CODE_SERVER) as private,
        supervisor_lifeline() as lifeline,
        _code_socket(private, only, shared) as socket,
    ):
        workspace, record = private / "workspace.yaml", private / "loading.json"
        workspace.write_text(code_server.workspace(socket), encoding="utf-8")

        def service(name: str, module: list[str], seconds: float, **variables: str) -> Service:
            command = command_that_ends(claim_path(private, name), seconds, module)
            return Service(name, command, {**LARGE_MESSAGES, **environment, **variables}, folder, say, stdin=lifeline)

        loading = {loaded_config_digests.VARIABLE: str(record)}
        code = service(_CODE_SERVER, code_server.module(socket, log_level), 0, **loading)
        web = service("web process", _web(workspace, address, log_level), _WEB_SECONDS)
        daemon = service("daemon", _daemon(workspace, log_level), _LEFTOVER_SECONDS)
        changed = ChangedConfig(record, code_server.DEFINITIONS, environment, folder, say)
        watch = code_server.Watch(socket, record, changed, say)
        others = {"web": [web], "daemon": [daemon], "code": []}[only] if only else [web, daemon]
        try:
            if only in {None, "code"}:
                _run(stop.asked, code, watch, others)
            else:
                _run_without_code_server(stop.asked, socket, others, say)
        finally:
            say("Stopping")
            watch.stop()
            # The daemon first, so that no more runs start. The web process last: its pages show what still runs.
            _end(daemon, _DAEMON_SECONDS)
            _end_code_server(code, watch, stop_seconds, stop.at_once, say)
            _end(web, _WEB_SECONDS)


def _never_failing(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return `say` for a terminal that may be closed: services are started again and stopped without it too."""

    def say_if_heard(words: str) -> None:
        with suppress(OSError, ValueError):
            say(words)

    return say_if_heard


@contextmanager
def _code_socket(private: Path, only: ServiceName | None, shared: Path | None) -> Iterator[Path]:
    """Yield the code server's socket, and be the only one who runs what there may be once only."""
    if shared is None:
        yield private / "code.sock"
        return
    with nullcontext() if only in {"web", "code"} else only_daemon(shared):
        if only in {None, "code"}:
            with offered_socket(shared) as socket:
                yield socket
        else:
            yield shared_socket(shared)


def _web(workspace: Path, address: Address, log_level: str) -> list[str]:
    return [
        *("aggregation_pipeline.web", "--host", address.host, "--port", str(address.port)),
        *("--path-prefix", address.path_prefix, "--workspace", str(workspace), "--log-level", log_level),
    ]


def _daemon(workspace: Path, log_level: str) -> list[str]:
    return ["dagster._daemon", "run", "--log-level", log_level, "--workspace", str(workspace)]


def _run(stopping: threading.Event, code: Service, watch: code_server.Watch, others: Sequence[Service]) -> None:
    code.start()
    watch.start()
    # Without a code server the other services would only log errors. But they must not wait for ever.
    wait_until = time.monotonic() + _ALONE_SECONDS
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


def _run_without_code_server(
    stopping: threading.Event, socket: Path, others: Sequence[Service], say: Callable[[str], None]
) -> None:
    if not socket.exists():
        say("Waiting for the code server: start `aggregation-pipeline serve --only code` with the same DAGSTER_HOME")
    is_there = False
    while not stopping.wait(_POLL_SECONDS):
        # They go on without a code server that has been there: Dagster connects to the next one.
        is_there = is_there or socket.exists()
        for other in others if is_there else ():
            other.keep()


def _end(service: Service, seconds: float) -> None:
    if not service.end(signal.SIGINT, seconds):
        service.end_group(signal.SIGKILL, seconds)


def _end_code_server(
    code: Service, watch: code_server.Watch, seconds: float, at_once: threading.Event, say: Callable[[str], None]
) -> None:
    if code.process is None and code.wait_group(0):
        return
    if not watch.shut_down():
        if not watch.has_answered.is_set():
            # It was still loading its code, so there is no run to wait for.
            seconds = 0.0
        # It is dead or frozen. Its inner server ends by itself after the last run.
        code.end(signal.SIGKILL, _KILLED_SECONDS)
    # The whole group: an inner server outlives its killed outer server until it has missed heartbeats for a minute.
    if code.wait_group(min(seconds, _QUICK_SECONDS), enough=at_once.is_set):
        return
    if seconds:
        say(f"Waiting up to {seconds:.0f} s for runs that are at work (Ctrl-C or SIGTERM interrupts them now)")
        if code.wait_group(seconds, enough=at_once.is_set):
            return
        say("Interrupting the runs that still go on")
    if not code.end_group(signal.SIGINT, _INTERRUPTED_SECONDS):
        code.end_group(signal.SIGKILL, _INTERRUPTED_SECONDS)


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    stops = _Stop()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if stops.asked.is_set():
            stops.at_once.set()
        stops.asked.set()

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
