"""A run has one row, which never goes back to an older version, in whatever order its readings are written."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.batch_jobs.projection import project, row_id
from aggregation_pipeline.batch_jobs.repository import PostgresRepository
from aggregation_pipeline.batch_jobs.table import batch_jobs
from aggregation_pipeline.batch_jobs.writer import _upsert as write_row
from aggregation_pipeline.runs.model import BatchJobRow, Event, Failed, Finished, Owner, Planned, RunInfo, Started
from aggregation_pipeline_tests.support.runs import new_batch_jobs, rows

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
OURS = Owner("prod", "one")
THEIRS = Owner("prod", "two")
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass
class Run:
    """A run in Dagster. `missing` are ids of events that are not committed yet."""

    run_id: str
    owner: Owner = OURS
    status: str = "QUEUED"
    clock: int = 2
    events: list[Event] = field(default_factory=lambda: [Planned(1, "baidu"), Planned(2, "weibo")])
    missing: list[int] = field(default_factory=list)

    def happens(self, status: str, make: Any = Event) -> None:
        self.clock += 1
        self.status = status
        self.events.append(make(self.clock))

    def row(self) -> BatchJobRow:
        moment = NOON + timedelta(seconds=self.clock)
        info = RunInfo(
            self.run_id, "aggregate", self.status, NOON, moment,
            NOON if self.status != "QUEUED" else None, moment if self.status in ENDED else None,
        )  # fmt: skip
        return project(
            info,
            self.events,
            owner=self.owner,
            job_type="data_collection",
            platforms={"baidu": "baidu", "weibo": "weibo"},
        )


class MirroredRuns(RuleBasedStateMachine):
    """Runs begin, publish, fail and end. Readings of them are delayed, repeated, written, and lost in crashes."""

    engine: sa.Engine
    readings = Bundle("readings")

    @initialize()
    def begin(self) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE batch_jobs")
        self.connection = self.engine.connect()
        self.repository = PostgresRepository(self.connection)
        self.runs: dict[str, Run] = {}
        self.seen: dict[str, list[int]] = {}
        run_of_others = Run(str(uuid4()), THEIRS, "STARTED")
        self.repository.record(run_of_others.row())
        self.row_of_others = rows(self.engine)[run_of_others.run_id]

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()

    def pick(self, data: st.DataObject, *statuses: str) -> Run | None:
        chosen = [run for run in self.runs.values() if not statuses or run.status in statuses]
        return data.draw(st.sampled_from(chosen)) if chosen else None

    @rule()
    def create(self) -> None:
        run = Run(str(uuid4()))
        self.runs[run.run_id] = run

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        if run := self.pick(data, "QUEUED"):
            run.happens("STARTED")
            run.happens("STARTED", lambda number: Started(number, "baidu"))

    @rule(data=st.data(), table=st.sampled_from(["baidu", "weibo"]), items=st.integers(0, 2**33))
    def publish(self, data: st.DataObject, table: str, items: int) -> None:
        if run := self.pick(data, "STARTED"):
            run.happens("STARTED", lambda number: Finished(number, table, None, items, table=table))

    @rule(data=st.data(), error=st.text(max_size=20))
    def fail_a_table(self, data: st.DataObject, error: str) -> None:
        if run := self.pick(data, "STARTED"):
            run.happens(
                "STARTED", lambda number: Failed(number, NOON, "aggregate_weibo", "weibo", f"{error}\x00\ud800")
            )

    @rule(data=st.data(), how=st.sampled_from(["SUCCESS", "FAILURE"]))
    def finish(self, data: st.DataObject, how: str) -> None:
        if run := self.pick(data, "STARTED"):
            run.happens(how)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if run := self.pick(data, "QUEUED", "STARTED"):
            run.happens("CANCELED")

    @rule(data=st.data())
    def succeed_after_cancelling(self, data: st.DataObject) -> None:
        if run := self.pick(data, "CANCELED"):
            run.happens("SUCCESS")

    @rule(data=st.data())
    def take_an_id_and_commit_later(self, data: st.DataObject) -> None:
        if run := self.pick(data, "STARTED"):
            run.clock += 1
            run.missing.append(run.clock)

    @rule(data=st.data())
    def commit_late(self, data: st.DataObject) -> None:
        if (run := self.pick(data)) and run.missing:
            run.events.append(Finished(run.missing.pop(), "weibo", None, 7, table="weibo"))

    @rule(target=readings, data=st.data())
    def read(self, data: st.DataObject) -> Any:
        run = self.pick(data)
        return run.row() if run else multiple()

    @rule(reading=readings)
    def write(self, reading: BatchJobRow) -> None:
        self.repository.record(reading)
        assert self.repository.record(reading) is False, "the second time, nothing changes"

    @rule(reading=consumes(readings))
    def crash_while_writing(self, reading: BatchJobRow) -> None:
        before = rows(self.engine)
        doomed = self.engine.connect()
        transaction = doomed.begin()
        # Within this transaction, the writer's own is a savepoint: nothing is committed when the connection breaks.
        doomed.execute(sa.insert(batch_jobs).values(id=uuid4(), job_type="doomed"))
        with doomed.begin_nested():
            write_row(doomed, reading)
        doomed.connection.dbapi_connection.close()  # type: ignore[union-attr]
        doomed.invalidate()
        transaction.close()
        doomed.close()
        assert rows(self.engine) == before

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if run := self.pick(data):
            del self.runs[run.run_id]

    @rule()
    def reconcile(self) -> None:
        for run in self.runs.values():
            self.repository.record(run.row())
        gone = [key for key, row in self.repository.open_row_states(OURS).items() if row.run_id not in self.runs]
        for row in self.repository.read_rows(OURS, gone):
            self.repository.record(close_deleted_run(row, NOON + timedelta(days=1)))
        found = rows(self.engine)
        for run in self.runs.values():
            row, wanted = found[run.run_id], run.row()
            assert (row.status, row.total_items, tuple(row.platforms_processed)) == (
                wanted.status, wanted.total_items, wanted.platforms_processed,
            )  # fmt: skip
            assert row.metadata["dagster"]["version"] == wanted.metadata["dagster"]["version"]
        assert not [key for key, row in self.repository.open_row_states(OURS).items() if row.run_id not in self.runs]

    @invariant()
    def no_row_goes_back_and_no_row_of_others_changes(self) -> None:
        if not hasattr(self, "row_of_others"):
            return
        found = rows(self.engine)
        assert found.pop(str(self.row_of_others.id)) == self.row_of_others
        for run_id, row in found.items():
            version = row.metadata["dagster"]["version"]
            assert version >= self.seen.get(run_id, [])
            self.seen[run_id] = version
            assert row_id(row.metadata["dagster"]["run_id"]) == row.id
        assert self.seen.keys() <= found.keys()


def test_each_run_has_one_row_that_never_goes_back(postgres: Any):
    engine = new_batch_jobs(postgres.fresh_database())
    machine = type("OnPostgres", (MirroredRuns,), {"engine": engine})
    run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None))
