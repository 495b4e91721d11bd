"""What is wrong now, ordered by weight."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

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

# The weightiest first.
CODES: Final[tuple[ConcernCode, ...]] = (
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
)
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
