"""What people do during the storm, in Dagster's UI and in terminals.

They launch, cancel and delete runs, and ask for the same thing twice at once.
"""

import random
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from aggregation_pipeline_tests.storm.bank import DAYS
from aggregation_pipeline_tests.storm.runs import Watch
from aggregation_pipeline_tests.support.dev import Supervised

COMMAND: Final = (sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()")
DAILY: Final = "aggregate_daily_partitions_by_hand"
_LAUNCH: Final = """mutation($job: String!, $tags: [ExecutionTag!]!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "aggregation_pipeline", repositoryName: "__repository__", jobName: $job},
    executionMetadata: {tags: $tags}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_CANCEL: Final = """mutation($run: String!, $how: TerminateRunPolicy) {
    terminateRun(runId: $run, terminatePolicy: $how) { __typename } }"""
_DELETE: Final = """mutation($run: String!) { deleteRun(runId: $run) { __typename } }"""
# More than may run at once, so that some wait in the queue, but not so many that the queue is never done.
_AT_ONCE: Final = 9


@dataclass
class People:
    """`done` counts what they did. What a service that was down did not take counts as `refused`."""

    dev: Supervised
    watch: Watch
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    launched: set[str] = field(default_factory=set)
    terminals: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Let them begin."""
        self._thread = threading.Thread(target=self._work, name="people", daemon=True)
        self._thread.start()

    def go_home(self, seconds: float) -> None:
        """Let them stop, and wait for the commands in their terminals."""
        self._over.set()
        assert self._thread is not None
        self._thread.join(seconds)
        for terminal in self.terminals:
            terminal.wait(seconds)

    def launch(self, job: str, day: str | None = None) -> None:
        """Launch a job as the UI does, for a day if the job has partitions."""
        tags = [] if day is None else [{"key": "dagster/partition", "value": day}]
        answer = self._ask("launch", _LAUNCH, job=job, tags=tags)
        if answer and answer["launchRun"]["__typename"] == "LaunchRunSuccess":
            self.launched.add(answer["launchRun"]["run"]["runId"])

    def type(self, *words: str) -> None:
        """Type a command in a terminal of its own."""
        self.done["command"] += 1
        with (self.dev.folder / "terminals.log").open("ab") as log:
            self.terminals.append(
                subprocess.Popen(
                    [*COMMAND, *words], env=dict(self.dev.environment), cwd=self.dev.folder,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    def _work(self) -> None:
        deeds = (self._ordinary, self._duplicates, self._cancel, self._delete, self._tidy)
        while not self._over.wait(self.chance.uniform(1, 5)):
            deed = self.chance.choices(deeds, (9, 2, 2, 2, 2))[0]
            deed()

    def _ordinary(self) -> None:
        if len(self.watch.unfinished()) >= _AT_ONCE:
            return
        what = self.chance.random()
        if what < 0.3:
            self.launch("aggregate")
        elif what < 0.5:
            self.launch("aggregate_by_hand")
        else:
            self.launch(DAILY, self.chance.choice(DAYS))

    def _duplicates(self) -> None:
        if len(self.watch.unfinished()) >= _AT_ONCE:
            return
        self.done["duplicates"] += 1
        if self.chance.random() < 0.5:
            day = self.chance.choice(DAYS)
            self.type("backfill", "--table", "moves", "--from", day, "--to", day, "--json")
            self.launch(DAILY, day)
            self.launch(DAILY, day)
        else:
            self.type("run", "--tables", "accounts", "--json")
            self.launch("aggregate")
            self.launch("aggregate")

    def _cancel(self) -> None:
        if found := self.watch.unfinished():
            policy = self.chance.choice(["SAFE_TERMINATE", "SAFE_TERMINATE", "MARK_AS_CANCELED_IMMEDIATELY"])
            self._ask("cancel", _CANCEL, run=self.chance.choice(found), how=policy)

    def _delete(self) -> None:
        found = self.watch.unfinished() if self.chance.random() < 0.3 else self.watch.finished()
        if found:
            self._ask("delete", _DELETE, run=self.chance.choice(found))

    def _tidy(self) -> None:
        self.launch("retention")

    def _ask(self, what: str, query: str, **variables: Any) -> Any:
        try:
            answer = self.dev.ask(query, **variables)["data"]
        except (OSError, ValueError, KeyError):
            answer = None
        self.done[what if answer else "refused"] += 1
        return answer
