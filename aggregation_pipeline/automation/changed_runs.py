"""The runs that have changed since a sensor looked last; its cursor is kept here."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import DagsterRunStatus, RunRecord, SensorEvaluationContext

from aggregation_pipeline.runs.run_records import run_info, runs_since

# Events are stored a while after they happened, so each tick looks back a little. The caller sees runs again.
_OVERLAP: Final = timedelta(minutes=5)
_PAGE: Final = 100


def runs_since_last_tick(context: SensorEvaluationContext, statuses: Sequence[DagsterRunStatus]) -> Iterator[RunRecord]:
    """Yield the runs in one of `statuses` that have changed since the last tick, and some again.

    Runs from before the first tick are left alone. A moment that is to come is one of a clock that was ahead, this
    machine's or a worker's: until it came, no run would be seen.
    """
    now = datetime.now(UTC)
    first = newest = now
    if context.cursor:
        first, newest = map(datetime.fromisoformat, json.loads(context.cursor))
        first, newest = first if first <= now else now - _OVERLAP, min(now, newest)
    for page in runs_since(context.instance, statuses, max(first, newest - _OVERLAP), limit=_PAGE):
        for record in page:
            yield record
            newest = max(newest, min(now, run_info(record).updated_at))
    context.update_cursor(json.dumps([first.isoformat(), newest.isoformat()]))
