"""A worker: takes runs from queues of the broker, and computes so many of them at once.

Celery fetches the messages, in one process with a thread a slot. Each run has a process of its own, as under the code
server, so that it loads the code as it is, can be interrupted alone, and takes nothing of another run with it.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from dagster import DagsterInstance

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.errors import BrokerBusyError
from aggregation_pipeline.instance.runners.broker import DESCRIBE, TASK, Broker, broker_of
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.rules import rules_of
from aggregation_pipeline.workers.slots import Slots

if TYPE_CHECKING:
    from celery import Celery

_PATIENCE_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 2.0
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class WorkerOptions:
    """What one worker is.

    Attributes:
        queues: which it serves.
        concurrency: how many runs it computes at once.
        name: what people see of it; it is the only one of its host with it.
    """

    queues: Sequence[str]
    concurrency: int
    name: str = ""

    @property
    def node(self) -> str:
        """Its name in Celery."""
        return f"{self.name or f'worker-{os.getpid()}'}@{socket.gethostname()}"


def run_worker(
    instance: DagsterInstance, settings: Settings, options: WorkerOptions, say: Callable[[str], None]
) -> None:
    """Take runs until SIGTERM, SIGINT or SIGHUP; then let those at work end.

    Raises:
        BrokerError: Redis refuses us, or does not answer for five minutes.
    """
    broker = broker_of(instance, settings.require_broker_url(), settings.deployment_name)
    _wait_for(broker, say)
    config = (settings.aggregation_config or DEFAULT_CONFIG).absolute()
    slots = Slots(instance, settings, config, os.environ, say)
    app = broker.app(int(instance.run_monitoring_max_runtime_seconds))
    _register(app, slots, settings, options)
    logging.getLogger("celery").setLevel(logging.WARNING)
    logging.getLogger("kombu").setLevel(logging.WARNING)
    worker = app.WorkController(
        hostname=options.node,
        pool="threads",
        concurrency=options.concurrency,
        queues=list(options.queues),
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        ready_callback=lambda _consumer: say(
            f"{options.node} takes runs from {', '.join(options.queues)}, {options.concurrency} at once,"
            f" by the broker {broker.place}"
        ),
    )
    with _ending_in_order(slots, settings.stop_seconds, say):
        worker.start()
    say("Stopped")


def _wait_for(broker: Broker, say: Callable[[str], None]) -> None:
    """Wait for a Redis that starts later than its workers."""
    until = time.monotonic() + _PATIENCE_SECONDS
    said = False
    while True:
        try:
            broker.ping()
        except BrokerBusyError as error:
            if time.monotonic() > until:
                raise
            if not said:
                say(f"{error}. Waiting up to {_PATIENCE_SECONDS / 60:.0f} minutes for it")
            said = True
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _register(app: "Celery", slots: Slots, settings: Settings, options: WorkerOptions) -> None:
    """Give the app its one task, and the answer to who asks which workers there are."""
    from celery.worker.control import inspect_command

    def execute(run_id: str) -> None:
        slots.execute(run_id)

    app.task(name=TASK, ignore_result=True, acks_late=False)(execute)

    def describe(_state: object, **_arguments: object) -> dict[str, Any]:
        return {
            "queues": list(options.queues),
            "slots": options.concurrency,
            "at_work": slots.at_work,
            "host": socket.gethostname(),
            "rules": dict(rules_of(settings)),
        }

    inspect_command(name=DESCRIBE)(describe)


@contextmanager
def _ending_in_order(slots: Slots, seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Let the first signal end the taking of runs, and interrupt those at work `seconds` later, or at the second."""
    from celery.worker import state

    at_once = threading.Event()

    def end() -> None:
        at_work = slots.at_work
        if at_work:
            say(f"Waiting up to {seconds:.0f} s for {len(at_work)} runs (Ctrl-C or SIGTERM interrupts them now)")
            at_once.wait(seconds)
            if slots.at_work:
                say("Interrupting the runs that still go on")
                slots.interrupt()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if state.should_stop is None:
            state.should_stop = 0
            threading.Thread(target=end, name="end of worker", daemon=True).start()
        else:
            at_once.set()

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        state.should_stop = None
