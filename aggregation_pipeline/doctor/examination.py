"""Examines all subjects side by side, each in a thread of its own, so that one that hangs costs no more than its time.

A frozen server answers nothing and refuses nothing. Its thread is left alone when the time is over, and does not keep
the process from ending.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.runs.batch_job_text import without_secrets
from aggregation_pipeline.source.findings import Finding, failure

Subject = Callable[[Case], Iterator[Finding]]

LIMIT_SECONDS: Final = 60.0


def examine(case: Case, subjects: Mapping[str, Subject], *, seconds: float = LIMIT_SECONDS) -> list[Finding]:
    """Return what was found, in the order of `subjects`. A subject that is not done after `seconds` is a failure."""
    examined = [_Examination(name, subject, case) for name, subject in subjects.items()]
    until = time.monotonic() + seconds
    for each in examined:
        each.thread.join(max(0.0, until - time.monotonic()))
    return [
        replace(finding, subject=each.name, text=_told(finding.text, case), remedy=_told(finding.remedy, case))
        for each in examined
        for finding in each.findings(seconds)
    ]


class _Examination:
    """One subject, in its thread."""

    def __init__(self, name: str, subject: Subject, case: Case) -> None:
        self.name = name
        self._found: list[Finding] = []
        self._last: Finding | None = None
        self.thread = threading.Thread(target=self._run, args=(subject, case), name=f"check {name}", daemon=True)
        self.thread.start()

    def _run(self, subject: Subject, case: Case) -> None:
        with ExitStack() as stack:
            stack.push(self._note_error)
            for finding in subject(case):
                self._found.append(finding)

    def _note_error(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        """Make one line of whatever a subject raises. The words of a library's error may hold anything."""
        if isinstance(error, PipelineError):
            self._last = failure("stopped", str(error))
        elif error is not None:
            text = f"unexpected {type(error).__name__}; what follows it was not looked at"
            self._last = failure("stopped", text, "Run `aggregation-pipeline plan`, and look into logs/error.log")
        return True

    def findings(self, seconds: float) -> list[Finding]:
        """Return what is known by now."""
        if self.thread.is_alive():
            late = failure("stopped", f"no answer within {seconds:g} s; the rest was not looked at", _LATE)
            return [*self._found, late]
        return [*self._found, *([self._last] if self._last else [])]


_LATE: Final = "Look whether the server hangs, or a firewall drops packets on the way"


def _told(text: str, case: Case) -> str:
    """The text without secrets, whatever they came in with."""
    return without_secrets(text, case.settings.secrets)
