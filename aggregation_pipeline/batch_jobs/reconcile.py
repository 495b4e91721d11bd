"""Reconciling: every pass compares runs with rows, and writes what is missing or old.

A run-status sensor that fails loses its event for good. A pass does not depend on events: it looks at every run that
has not ended, at every run that ended since the watermark, and at every row that is still open. So it repairs whatever
was down, killed or late.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.batch_jobs.mirror import Outcome
from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.batch_jobs.writer import RowState
from aggregation_pipeline.runs.event_log import event_counts
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.runs.run_records import LATE_UPDATES, run_info, runs_since

ENDED_STATUSES = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
OPEN_STATUSES = [status for status in DagsterRunStatus if status not in ENDED_STATUSES]
# In a run that has not started, nothing changes but its status.
_WAITING = {"QUEUED", "NOT_STARTED"}

# An event may be committed after a later one. A run that ended within this time is mirrored again.
SETTLING_TIME = timedelta(seconds=60)
# A run that cannot be mirrored is tried again at every pass, up to this number of runs.
MAX_RETRIED_RUNS = 200
_PAGE = 500

# So many runs, or so many of their events, are mirrored at once.
_RUNS_AT_ONCE = 25
_EVENTS_AT_ONCE = 5_000

# Brings the rows of runs up to date; returns by the run's id what became of it, or why it could not be mirrored.
Mirror = Callable[[Sequence[RunRecord]], Mapping[str, Outcome | Exception]]


@dataclass
class ReconcileResult:
    """What one pass did.

    Attributes:
        watermark: ended runs are mirrored up to this moment; the next pass begins there.
        looked_at: runs whose events were read.
        written: rows that changed.
        closed: open rows whose run was deleted in Dagster.
        behind: runs whose row the pass could not bring up to date. Of those that it had no time to read, all that
            ended are counted.
        lag_seconds: for how long the first of these has been waiting.
        complete: the pass had time for all of its runs.
        refused: by the id of a run that is to be tried again, the reason.
    """

    watermark: datetime
    looked_at: int = 0
    written: int = 0
    closed: int = 0
    behind: int = 0
    lag_seconds: float = 0.0
    complete: bool = True
    refused: dict[str, str] = field(default_factory=dict)


def reconcile(
    instance: DagsterInstance,
    repository: BatchJobRepository,
    mirror: Mirror,
    *,
    owner: Owner,
    watermark: datetime,
    retry: Sequence[str] = (),
    foreign: set[str] | None = None,
    budget: float = 12.0,
) -> ReconcileResult:
    """Bring the rows up to date, for at most `budget` seconds and the runs that are being mirrored when they are over.

    The next pass continues where this one stopped: pass it the watermark that is returned. `retry` are runs that an
    earlier pass could not mirror. `foreign` is a set in which passes remember the runs that are not ours.

    A run that cannot be mirrored is reported in the result and does not stop the others.
    Raises MirrorBusyError when batch_jobs does not answer, MirrorError when Dagster's event log does not.
    """
    one_pass = _Pass(
        instance, repository, mirror, owner, ReconcileResult(watermark), set() if foreign is None else foreign
    )
    began = time.monotonic()
    # Open runs get half of the time: neither a long history nor what happens now keeps the other waiting.
    one_pass.mirror_needed(instance.get_run_records(RunsFilter(statuses=OPEN_STATUSES)), began + budget / 2)
    one_pass.mirror_open_rows(retry, began + budget * 3 / 4)
    unread = one_pass.mirror_ended_since(watermark, began + budget)
    one_pass.mirror_settling(began + budget)
    return one_pass.finish(watermark, unread)


class _Need(Enum):
    """Whether a pass has to mirror a run."""

    NOW = auto()
    # The run ended a moment ago and has its row: after all runs that have none.
    AGAIN = auto()
    NOT = auto()


@dataclass
class _Pass:
    """One pass while it runs.

    Attributes:
        seen: runs that the pass has dealt with.
        settling: records of runs that need to be mirrored AGAIN.
        behind: runs whose row is not up to date.
    """

    instance: DagsterInstance
    repository: BatchJobRepository
    mirror: Mirror
    owner: Owner
    result: ReconcileResult
    foreign: set[str]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: set[str] = field(default_factory=set)
    settling: list[RunRecord] = field(default_factory=list)
    behind: set[str] = field(default_factory=set)

    def mirror_needed(self, records: Sequence[RunRecord], until: float, *, ended: bool = False) -> bool:
        """Mirror those runs that need it, some at least; False when time is up. `ended` moves the watermark."""
        states = self.repository.row_states(self.owner, [row_id(run.dagster_run.run_id) for run in records])
        needs = {run.dagster_run.run_id: self._need(run, states) for run in records}
        mirrored, in_time = 0, True
        for runs in self._at_once(records, needs):
            needed = [run for run in runs if needs[run.dagster_run.run_id] is _Need.NOW]
            in_time = in_time and not (needed and mirrored and time.monotonic() > until)
            if not in_time:
                # The rest is only counted.
                self.result.complete = False
                for run in needed:
                    self._note_behind(run)
                continue
            self.seen.update(run.dagster_run.run_id for run in runs)
            self.settling += [run for run in runs if needs[run.dagster_run.run_id] is _Need.AGAIN]
            self._mirror(needed)
            mirrored += len(needed)
            if ended:
                self.result.watermark = max(self.result.watermark, *(run_info(run).updated_at for run in runs))
        return in_time

    def _need(self, run: RunRecord, states: Mapping[UUID, RowState]) -> "_Need":
        return _Need.NOT if run.dagster_run.run_id in self.foreign else _need(run, states, self.now)

    def _at_once(self, records: Sequence[RunRecord], needs: Mapping[str, "_Need"]) -> Iterator[Sequence[RunRecord]]:
        """Cut the runs, in their order, into those that are mirrored at once: as many as fit into memory."""
        wanted = [run_id for run_id, need in needs.items() if need is _Need.NOW]
        counts = event_counts(self.instance, wanted) if wanted else {}
        chosen: list[RunRecord] = []
        runs = events = 0
        for run in records:
            more = counts.get(run.dagster_run.run_id)
            if more is not None and runs and (runs == _RUNS_AT_ONCE or events + more > _EVENTS_AT_ONCE):
                yield chosen
                chosen, runs, events = [], 0, 0
            chosen.append(run)
            runs, events = runs + (more is not None), events + (more or 0)
        if chosen:
            yield chosen

    def mirror_open_rows(self, retry: Sequence[str], until: float) -> None:
        """Mirror the runs of open rows, and those to be tried again; close the rows of runs that were deleted."""
        open_rows = {state.run_id: key for key, state in self.repository.open_row_states(self.owner).items()}
        wanted = [run_id for run_id in dict.fromkeys([*open_rows, *retry]) if run_id not in self.seen]
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            records = self.instance.get_run_records(RunsFilter(run_ids=page))
            existing = {run.dagster_run.run_id for run in records}
            self.mirror_needed(records, until)
            self._close([open_rows[run_id] for run_id in page if run_id in open_rows and run_id not in existing])

    def mirror_ended_since(self, watermark: datetime, until: float) -> int:
        """Mirror the runs that ended since then; returns how many the pass had no time to read."""
        for page in runs_since(self.instance, ENDED_STATUSES, watermark - LATE_UPDATES, limit=_PAGE):
            if not self.mirror_needed(page, until, ended=True):
                unread = RunsFilter(statuses=ENDED_STATUSES, updated_after=run_info(page[-1]).updated_at)
                return self.instance.get_runs_count(unread)
        return 0

    def mirror_settling(self, until: float) -> None:
        """Mirror the runs that ended a moment ago once more."""
        again = {run.dagster_run.run_id: _Need.NOW for run in self.settling}
        for runs in self._at_once(self.settling, again):
            if time.monotonic() > until:
                break
            self._mirror(runs)

    def finish(self, watermark: datetime, unread: int) -> ReconcileResult:
        """Return the result of the pass, which began at this watermark."""
        self.result.behind = len(self.behind) + unread
        if self.result.complete:
            # Foreign runs that the pass did not come across lie behind the watermark: forget them.
            self.foreign &= self.seen
        if len(self.result.refused) > MAX_RETRIED_RUNS:
            # Too many to remember one by one, so they have one cause. The next pass begins at the same watermark: runs
            # that have their rows by then cost little.
            self.result.watermark = watermark
        return self.result

    def _mirror(self, runs: Sequence[RunRecord]) -> None:
        outcomes = self.mirror(runs) if runs else {}
        self.result.looked_at += len(runs)
        for run in runs:
            run_id = run.dagster_run.run_id
            outcome = outcomes[run_id]
            self.behind.discard(run_id)
            if isinstance(outcome, Exception):
                # One row that is refused, or one run whose events cannot be read, must not hold up the others.
                self.result.refused[run_id] = str(outcome)
                self._note_behind(run)
            self.result.written += outcome == "written"
            # Dagster stores a run a moment before what it plans, so a new run may only look foreign.
            if outcome == "foreign" and self.now - run_info(run).created_at > LATE_UPDATES:
                self.foreign.add(run_id)

    def _close(self, ids: Sequence[UUID]) -> None:
        """Close the rows of runs that were deleted in Dagster: no event of theirs will come any more."""
        for row in self.repository.read_rows(self.owner, ids) if ids else ():
            self.result.closed += self.repository.record(close_deleted_run(row, self.now))

    def _note_behind(self, run: RunRecord) -> None:
        self.behind.add(run.dagster_run.run_id)
        waiting = (datetime.now(UTC) - run_info(run).updated_at).total_seconds()
        self.result.lag_seconds = max(self.result.lag_seconds, waiting)


def _need(run: RunRecord, states: Mapping[UUID, RowState], now: datetime) -> _Need:
    info = run_info(run)
    state = states.get(row_id(info.run_id))
    if state is None or state.refused or state.updated != info.updated_at.isoformat():
        return _Need.NOW
    if run.dagster_run.is_finished:
        return _Need.AGAIN if now - info.updated_at <= SETTLING_TIME else _Need.NOT
    return _Need.NOT if info.status in _WAITING else _Need.NOW
