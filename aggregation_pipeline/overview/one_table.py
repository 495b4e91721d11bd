"""One table, with all that is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregation_pipeline.overview.batches import Batch, BatchFile
from aggregation_pipeline.overview.history import Day
from aggregation_pipeline.overview.run_detail import CheckOutcome
from aggregation_pipeline.overview.schedules import NextTick
from aggregation_pipeline.overview.table_lines import TableLine
from aggregation_pipeline.overview.usual import Usual


@dataclass(frozen=True)
class OneTable:
    """A table.

    Attributes:
        line: as in the list, with its last error.
        description: of its entry.
        schedule: its schedule, with the next tick; None for a table that only people start.
        files: of what it published last, by their stable names; they come from Dagster, not from batch_jobs.
        files_window: the window that these files are of; the newest that was published, not the newest in time.
        checks: each check as it was last evaluated, those that failed first.
        batches: its newest, at most 20, the newest first; None if batch_jobs could not be read.
        more_batches: whether there are older ones.
        days: its figures by day, as `Morning.days`.
        usual_rows: of its rows a day, over the days before today.
        usual_seconds: of its seconds a day.
    """

    line: TableLine
    description: str | None
    schedule: NextTick | None
    files: Sequence[BatchFile]
    files_window: str | None
    checks: Sequence[CheckOutcome]
    batches: Sequence[Batch] | None
    more_batches: bool
    days: Sequence[Day]
    usual_rows: Usual | None
    usual_seconds: Usual | None
