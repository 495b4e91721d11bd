"""Rows made right by level, not by edge: whatever was down, killed or late, the next pass finds what is to be done.

Run-status sensors lose an event for good when their body fails. A pass looks at the runs themselves: every one that has
not ended, every one that ended since the watermark, and every row that still claims to be open.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from dagster import DagsterError, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.batch_jobs.mirror import Outcome
from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.batch_jobs.writer import RowState
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.runs.run_records import run_info, runs_since

ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
# The sensor that does this; on its name hang its cursor and its alerts.
MIRROR_SENSOR = "internal_batch_jobs_reconcile"
OPEN = [status for status in DagsterRunStatus if status not in ENDED]
# Nothing but its status changes in a run that has not started.
_WAITING = {"QUEUED", "NOT_STARTED"}

# Dagster stamps a run with the time of the event, which may be stored later: the clocks of workers and long stalls fit
# in here.
OVERLAP = timedelta(minutes=10)
# Events may be committed after those that came later. A run that ended within this time is read again.
SETTLING = timedelta(seconds=60)
_PAGE = 500
# A run that cannot be mirrored is tried again at every pass, up to so many of them.
RETRIES = 200

Mirror = Callable[[RunRecord], Outcome]


@dataclass
class ReconcileResult:
    """What a pass did.

    `watermark` is how far ended runs are mirrored, `refused` the runs to be tried again, with the reason. `behind`
    counts the runs whose row the pass could not bring up to date; of those that it had no time to read, all that ended
    are counted. `lag` is for how many seconds the first of them has been waiting.
    """

    watermark: datetime
    looked_at: int = 0
    written: int = 0
    closed: int = 0
    behind: int = 0
    lag: float = 0.0
    complete: bool = True
    refused: dict[str, str] = field(default_factory=dict)


def reconcile(
    instance: DagsterInstance,
    rows: BatchJobRepository,
    mirror: Mirror,
    *,
    owner: Owner,
    watermark: datetime,
    retry: Sequence[str] = (),
    foreign: set[str] | None = None,
    budget: float = 12.0,
) -> ReconcileResult:
    """Bring the rows up to date, for at most `budget` seconds (and the run that is being mirrored when they are over).

    What was not reached is left to the next pass, which begins at the watermark returned. `foreign` remembers, from
    pass to pass, the runs that are not ours. Raises MirrorBusyError when batch_jobs does not answer; a run that cannot
    be mirrored is reported and does not stop the others.
    """
    sweep = _Sweep(
        rows, mirror, owner, ReconcileResult(watermark), set() if foreign is None else foreign, datetime.now(UTC)
    )
    began = time.monotonic()
    # Open runs get half of the time: a long history to catch up with does not hide what happens now, nor the other way
    # round.
    sweep.take(instance.get_run_records(RunsFilter(statuses=OPEN)), began + budget / 2)
    claimed = {row.run_id: key for key, row in rows.open_row_states(owner).items()}
    wanted = [run_id for run_id in dict.fromkeys([*claimed, *retry]) if run_id not in sweep.seen]
    for start in range(0, len(wanted), _PAGE):
        asked = wanted[start : start + _PAGE]
        found = instance.get_run_records(RunsFilter(run_ids=asked))
        known = {run.dagster_run.run_id for run in found}
        sweep.take(found, began + budget * 3 / 4)
        sweep.close([claimed[run_id] for run_id in asked if run_id in claimed and run_id not in known])
    unread = 0
    for page in runs_since(instance, ENDED, watermark - OVERLAP, limit=_PAGE):
        if not sweep.take(page, began + budget, ended=True):
            # The pages that follow are counted and not read: the time is up.
            unread = instance.get_runs_count(RunsFilter(statuses=ENDED, updated_after=run_info(page[-1]).updated_at))
            break
    for run in sweep.settling:
        if time.monotonic() > began + budget:
            break
        sweep.take_one(run)
    sweep.done.behind = len(sweep.left) + unread
    if sweep.done.complete:
        # Strangers that are not looked at any more need not be remembered.
        sweep.foreign &= sweep.seen
    if len(sweep.done.refused) > RETRIES:
        # More than can be remembered one by one: one cause, not many. What came after them is in place and costs
        # nothing to pass again.
        sweep.done.watermark = watermark
    return sweep.done


@dataclass
class _Sweep:
    """A pass under way."""

    rows: BatchJobRepository
    mirror: Mirror
    owner: Owner
    done: ReconcileResult
    foreign: set[str]
    now: datetime
    seen: set[str] = field(default_factory=set)
    # What ended just now and has its row already: it comes after whatever has none.
    settling: list[RunRecord] = field(default_factory=list)
    # Those whose row could not be brought up to date.
    left: set[str] = field(default_factory=set)

    def take(self, records: Sequence[RunRecord], until: float, *, ended: bool = False) -> bool:
        """Mirror those that need it, one at least; False when the time is up."""
        rows = self.rows.row_states(self.owner, [row_id(run.dagster_run.run_id) for run in records])
        taken, in_time = 0, True
        for run in records:
            run_id = run.dagster_run.run_id
            need = "no" if run_id in self.foreign else _need(run, rows, self.now)
            in_time = in_time and not (need == "yes" and taken and time.monotonic() > until)
            if not in_time:
                # What comes now is only counted.
                self.done.complete = False
                if need == "yes":
                    self._left(run)
                continue
            self.seen.add(run_id)
            if need == "again":
                self.settling.append(run)
            elif need == "yes":
                self.take_one(run)
                taken += 1
            if ended:
                self.done.watermark = max(self.done.watermark, run_info(run).updated_at)
        return in_time

    def take_one(self, run: RunRecord) -> None:
        self.done.looked_at += 1
        self.left.discard(run.dagster_run.run_id)
        try:
            outcome = self.mirror(run)
        except MirrorBusyError:
            raise
        except (MirrorError, DagsterError, ValueError, TypeError, LookupError) as error:
            # One row that is refused, or one run whose events cannot be read, must not hold up the others.
            self.done.refused[run.dagster_run.run_id] = str(error)
            self._left(run)
            return
        self.done.written += outcome == "written"
        # A run is stored a moment before what it plans.
        if outcome == "foreign" and self.now - run_info(run).created_at > OVERLAP:
            self.foreign.add(run.dagster_run.run_id)

    def close(self, ids: Sequence[UUID]) -> None:
        """End the open rows of runs that Dagster does not know any more: somebody deleted them, and nothing will ever
        be heard of them.
        """
        for row in self.rows.read(self.owner, ids) if ids else ():
            self.done.closed += self.rows.record(close_deleted_run(row, self.now))

    def _left(self, run: RunRecord) -> None:
        self.left.add(run.dagster_run.run_id)
        self.done.lag = max(self.done.lag, (datetime.now(UTC) - run_info(run).updated_at).total_seconds())


def _need(run: RunRecord, rows: Mapping[UUID, RowState], now: datetime) -> Literal["yes", "again", "no"]:
    facts = run_info(run)
    row = rows.get(row_id(facts.run_id))
    if row is None or row.refused or row.updated != facts.updated_at.isoformat():
        return "yes"
    if run.dagster_run.is_finished:
        return "again" if now - facts.updated_at <= SETTLING else "no"
    return "no" if facts.status in _WAITING else "yes"
