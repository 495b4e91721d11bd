"""Watches all runs and their rows in batch_jobs during the storm: when a run ended, and when its row said so."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.postgres.engine import create_engine

# The status in batch_jobs of a run that has ended, by its status in Dagster.
ROW_STATUS: Final = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "failed"}
_RUNS: Final = sa.text("SELECT run_id, status, pipeline_name FROM runs")
_ROWS: Final = sa.text(
    "SELECT id::text, status, metadata -> 'dagster' ->> 'run_id', metadata -> 'dagster' ->> 'status' FROM batch_jobs"
)


@dataclass
class Seen:
    """What was seen of a run. Times are those of `time.monotonic`.

    Attributes:
        ended: when Dagster first said that it had ended.
        row: the status in its row.
        right: since when its row says the right thing.
        deleted: when Dagster did not know it any more.
    """

    run_id: str
    job: str
    status: str
    ended: float | None = None
    row: str | None = None
    right: float | None = None
    deleted: float | None = None

    @property
    def ours(self) -> bool:
        """Whether it is a run that gets a row."""
        return self.job not in {"retention", "prune_batch_jobs"}

    @property
    def over_since(self) -> float | None:
        """Since when nothing more happens to it; None if it goes on."""
        return self.deleted if self.deleted is not None else self.ended


@dataclass
class Watch:
    """`seen` has the runs by their ids; `rows_without_run` are rows of runs that were never seen."""

    url: str
    seen: dict[str, Seen] = field(default_factory=dict)
    rows_without_run: set[str] = field(default_factory=set)
    looks: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(60)

    def unfinished(self) -> list[str]:
        """Return the ids of runs that go on."""
        return sorted(each.run_id for each in list(self.seen.values()) if each.over_since is None)

    def finished(self) -> list[str]:
        """Return the ids of runs that have ended and were not deleted."""
        return sorted(
            each.run_id for each in list(self.seen.values()) if each.ended is not None and each.deleted is None
        )

    def ours(self) -> list[Seen]:
        """Return the runs that get a row."""
        return [each for each in list(self.seen.values()) if each.ours]

    def look(self) -> None:
        """Look at both tables once. Rows first: a run is made before its row."""
        engine = create_engine(self.url, application_name="aggregation test", statement_timeout=30)
        try:
            with engine.connect() as connection:
                there = connection.exec_driver_sql("SELECT to_regclass('public.batch_jobs')").scalar_one()
                rows = connection.execute(_ROWS).all() if there else []
                runs = connection.execute(_RUNS).all()
        finally:
            engine.dispose()
        now = time.monotonic()
        known = set()
        for run_id, status, job in runs:
            known.add(run_id)
            seen = self.seen.setdefault(run_id, Seen(run_id, job, status))
            if seen.status != status:
                # A run that was canceled may succeed after all.
                seen.ended = seen.right = None
            seen.status = status
            if status in ROW_STATUS and seen.ended is None:
                seen.ended = now
        for run_id in self.seen.keys() - known:
            if self.seen[run_id].deleted is None:
                self.seen[run_id].deleted = now
        for key, status, run_id, _ in rows:
            found = self.seen.get(run_id)
            if found is None:
                self.rows_without_run.add(key)
                continue
            found.row = status
            if _is_right(found) and found.right is None:
                found.right = now
            elif not _is_right(found):
                found.right = None
        self.looks += 1

    def _work(self) -> None:
        while not self._over.wait(0.5):
            # PostgreSQL may be down.
            with suppress(sa.exc.SQLAlchemyError):
                self.look()


def _is_right(run: Seen) -> bool:
    if run.deleted is not None:
        # It may have ended between the last look and its deletion.
        return run.row == ROW_STATUS[run.status] if run.status in ROW_STATUS else run.row in {"failed", "completed"}
    return run.row == ROW_STATUS.get(run.status)
