"""A pytest plugin that starts the servers once, and then tries each change in a forked child."""

import importlib
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final, NamedTuple

import pytest

from aggregation_pipeline_tests.mutants.changes import Change, changed, changes_of
from aggregation_pipeline_tests.mutants.graft import graft

# The servers that are started before the first child. The one for OSS is a thread, so each child has its own.
_SERVERS: Final = {"postgres", "mysql", "mariadb"}


class Baseline(NamedTuple):
    """What a test did without a change: whether it passed, how long it took, and which lines it reached."""

    passed: bool
    seconds: float
    lines: frozenset[int]


class Forks:
    """Tries `at_most` changes of the module `name`, only those of certain `lines` if any are given."""

    def __init__(self, name: str, at_most: int, lines: Collection[int] = ()) -> None:
        self.name, self.at_most, self.lines = name, at_most, lines
        self._failed = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of one store and one database server: these modules do not depend on which it is."""
        one = {"store": "folder", "mysql": "mariadb"}
        items[:] = [
            item for item in items if all(_parameters(item).get(key, value) == value for key, value in one.items())
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests without a change, then try the changes, instead of pytest's own loop."""
        items = session.items
        first = max(items, key=lambda item: len(_SERVERS & set(getattr(item, "fixturenames", ()))))
        self._run(first, next(item for item in items if item is not first))
        module = importlib.import_module(f"aggregation_pipeline.{self.name}")
        seen = _in_child(lambda: self._look(items, module), 600)
        if seen is None or not all(each.passed for each in seen):
            failed = [items[number].nodeid for number, each in enumerate(seen or ()) if not each.passed]
            pytest.exit(f"{self.name}: its tests do not pass as it is: {failed or 'they take too long'}", returncode=1)
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        text, survivors = source.splitlines(), 0
        every = [change for change in changes_of(source) if not self.lines or change.line in self.lines]
        tried = sorted(
            random.Random(self.name).sample(every, min(self.at_most, len(every))), key=lambda change: change.line
        )
        say = session.config.get_terminal_writer().line
        say(
            f"\n{self.name}: {len(tried)} of {len(every)} changes, {len(items)} tests of"
            f" {sum(s.seconds for s in seen):.0f} s"
        )
        for change in tried:
            chosen = sorted(
                (s.seconds, n) for n, s in enumerate(seen) if not change.lines or s.lines & set(change.lines)
            )
            limit = 20 + 5 * sum(seconds for seconds, _ in chosen)
            notice = partial(self._notice, module, source, change, [items[n] for _, n in chosen])
            # A child that takes too long or dies counts as noticed.
            if not chosen or _in_child(notice, limit) is False:
                survivors += 1
                say(
                    f"{change.line}: {text[change.line - 1].strip()}\n      {change.before}  ->  {change.after} "
                    f" ({len(chosen)} tests)"
                )
        say(f"{self.name}: {len(tried)} tried, {len(tried) - survivors} noticed, {survivors} not")
        return True

    def _look(self, items: Sequence[pytest.Item], module: ModuleType) -> list[Baseline]:
        seen = []
        _be_quiet(items)
        for item, after in _in_turn(items):
            lines: set[int] = set()

            def trace(frame: FrameType, event: str, argument: object, lines: set[int] = lines) -> Any:
                if frame.f_code.co_filename != module.__file__:
                    return None
                lines.add(frame.f_lineno)
                return trace

            began = time.monotonic()
            threading.settrace(trace)
            sys.settrace(trace)
            passed = self._run(item, after)
            sys.settrace(None)
            seen.append(Baseline(passed, time.monotonic() - began, frozenset(lines)))
        return seen

    def _notice(self, module: ModuleType, source: str, change: Change, items: Sequence[pytest.Item]) -> bool:
        """Return whether a test fails. A changed module that cannot be loaded counts as noticed."""
        try:
            graft(module, changed(source, change))
        except Exception:  # noqa: BLE001 - whatever the changed module raises
            return True
        _be_quiet(items)
        return not all(self._run(item, after) for item, after in _in_turn(items))

    def _run(self, item: pytest.Item, after: pytest.Item) -> bool:
        """Return whether the test passes; `after` decides which fixtures stay."""
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        return not self._failed


def _be_quiet(items: Sequence[pytest.Item]) -> None:
    """Keep a child's tests from printing anything."""
    items[0].config.pluginmanager.unregister(name="terminalreporter")


def _in_turn(items: Sequence[pytest.Item]) -> Iterable[tuple[pytest.Item, pytest.Item]]:
    """Return each test with the next one. The last is paired with the first, so that the servers stay."""
    return zip(items, [*items[1:], items[0]], strict=True)


def _parameters(item: pytest.Item) -> dict[str, object]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def _in_child(call: Callable[[], Any], seconds: float) -> Any:
    """Return what `call` returns in a forked child; None if it takes too long or dies. Its processes are killed."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def answer() -> None:
        os.setpgid(0, 0)
        sending.send(call())

    child = context.Process(target=answer)
    child.start()
    sending.close()
    try:
        return receiving.recv() if receiving.poll(seconds) else None
    except EOFError:
        return None
    finally:
        receiving.close()
        with suppress(ProcessLookupError):
            os.killpg(child.pid or 0, signal.SIGKILL)
        child.join()
