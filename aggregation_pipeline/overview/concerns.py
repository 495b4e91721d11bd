"""What is wrong now, ordered by weight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.health.probe import Outcome, Probe
from aggregation_pipeline.overview.dagster_state import DagsterState
from aggregation_pipeline.overview.table_lines import TableLine, current_checks

# The weightiest first.
ConcernCode = Literal[
    "service_failing",
    "dependency_failing",
    "table_failed",
    "table_missed",
    "table_late",
    "table_broken",
    "check_failed",
    "mirror_behind",
    "sensors_stopped",
    "schedule_stopped",
    "check_warned",
]

CODES: Final[tuple[ConcernCode, ...]] = get_args(ConcernCode)
# These deserve a look; all others mean that data or the service are not what they should be.
WARNINGS: Final[frozenset[ConcernCode]] = frozenset({"sensors_stopped", "schedule_stopped", "check_warned"})


@dataclass(frozen=True)
class Concern:
    """One thing that is wrong.

    - service_failing, dependency_failing: `subject` is the name of the probe (postgres, codeLocation, daemon, mysql,
      files, batchJobs), `text` its words.
    - table_failed: the newest batch of `table` that has ended has failed; `text` is its error with the remedy, `since`
      when it ended, `batch` its id.
    - table_missed: the schedule ticked at `since`, and no batch of `table` has begun since then; `window` is the
      partition that is missing, None for a table without partitions.
    - table_late: `table` is older than `freshness` says; `since` is when it became late.
    - table_broken: the entry of `table` cannot be used; `text` says why.
    - check_failed, check_warned: `subject` is the check of `table`, `text` its words, `since` when it was evaluated,
      `window` the partition, `batch` its run.
    - mirror_behind, sensors_stopped: `text` is the words of the probe.
    - schedule_stopped: `subject` is the schedule.

    Attributes:
        text: of any program, in English, perhaps several lines; it may name hosts, and never holds a secret.
        since: in UTC.
    """

    code: ConcernCode
    table: str | None = None
    subject: str | None = None
    text: str | None = None
    since: datetime | None = None
    batch: str | None = None
    window: str | None = None

    @property
    def is_warning(self) -> bool:
        """Whether it is one of WARNINGS."""
        return self.code in WARNINGS


def find_concerns(
    tables: Sequence[TableLine], state: DagsterState | None, probes: Sequence[tuple[Probe, Outcome]]
) -> Sequence[Concern]:
    """Return what is wrong, the weightiest first; within a code as in the configuration."""
    found = [*_of_probes(probes), *(concern for line in tables for concern in _of_table(line))]
    if state is not None:
        found += _of_state(state)
    order = {code: place for place, code in enumerate(CODES)}
    return sorted(found, key=lambda concern: order[concern.code])


def _of_probes(probes: Sequence[tuple[Probe, Outcome]]) -> Iterator[Concern]:
    codes: dict[str, ConcernCode] = {"mirror": "mirror_behind", "sensors": "sensors_stopped"}
    for probe, outcome in probes:
        if outcome.is_known and outcome.problem is not None:
            code = "service_failing" if probe.required else codes.get(probe.name, "dependency_failing")
            yield Concern(code, subject=probe.name, text=outcome.problem)


def _of_table(line: TableLine) -> Iterator[Concern]:
    last = line.last
    if last is not None and last.status == "failed":
        yield Concern("table_failed", line.name, text=last.error, since=last.at, batch=last.id)
    if line.missed_at is not None:
        yield Concern("table_missed", line.name, since=line.missed_at, window=line.missed_window)
    if line.late and line.published_at and line.late_after_seconds is not None:
        yield Concern("table_late", line.name, since=line.published_at + timedelta(seconds=line.late_after_seconds))


def _of_state(state: DagsterState) -> Iterator[Concern]:
    for table in state.project.tables:
        if table.entry.issues is not None:
            yield Concern("table_broken", table.entry.name, text=table.entry.issues)
    for name, issues in state.project.left_out.items():
        yield Concern("table_broken", name, text=issues)
    for name, check in current_checks(state):
        code: ConcernCode = "check_failed" if check.severity == "error" else "check_warned"
        batch = str(row_id(check.run_id))
        yield Concern(code, name, check.name, check.message, check.at, batch, check.partition)
    for schedule in state.schedules:
        if schedule.stopped:
            yield Concern("schedule_stopped", subject=schedule.schedule)
