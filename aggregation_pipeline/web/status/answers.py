"""The fields of `GET /status`."""

from datetime import datetime

from pydantic import Field

from aggregation_pipeline.web.common.answers import Answer

_UTC = "in UTC, as JavaScript's Date has it"


class ServiceStatus(Answer):
    """What the Node service answered as `status`."""

    status: str = Field(description="`running` while a batch runs, `idle` otherwise, `stopped` if no schedule is on.")
    is_running: bool = Field(description="Whether a batch runs.")
    last_run: str | None = Field(description=f"When the newest batch was created, {_UTC}.")
    next_run: str | None = Field(description=f"The next tick of the schedules that are on, {_UTC}.")


class BatchLinks(Answer):
    """Paths on this server."""

    self: str = Field(description="The batch with its tables, files and errors.")
    run: str | None = Field(description="The run in Dagster's UI; null for a row of another program or deployment.")


class BatchSummary(Answer):
    """One row of batch_jobs. What the row does not say, or says in another way than we write it, is null."""

    batch_job_id: str = Field(description="The id of the row.")
    job_type: str = Field(description="BATCH_JOB_TYPE of the deployment that wrote it.")
    status: str | None = Field(description="pending, in_progress, completed or failed; other programs may have others.")
    created_at: datetime | None = Field(description="When it was asked for.")
    started_at: datetime | None = Field(description="When it began; null while it waits.")
    completed_at: datetime | None = Field(description="When it ended.")
    seconds: float | None = Field(description="From its start to its end.")
    total_items: int | None = Field(description="Rows of all tables, both datasets.")
    planned: list[str] = Field(description="The platforms that it was to process, at most 500.")
    processed: list[str] = Field(description="The platforms that are done, at most 500.")
    partition: str | None = Field(description="The partition of its tables.")
    schedule: str | None = Field(description="The schedule that started it.")
    tick: str | None = Field(description="What it has in common with the other runs of its tick; null if it has none.")
    deployment: str | None = Field(description="DEPLOYMENT_NAME of who wrote the row.")
    error: str | None = Field(description="Its last error; our own end with what helps.")
    error_table: str | None = Field(description="The table with that error.")
    links: BatchLinks = Field(description="Where to go on.")


class BatchList(Answer):
    """A page of batches."""

    items: list[BatchSummary] = Field(description="The newest first.")
    next: str | None = Field(
        description="`cursor` of the next page; null after the last. A page may be short, or empty, before the last."
    )


class Figures(Answer):
    """How the batches of BATCH_JOB_TYPE went in the last days, for at most the 20000 newest rows."""

    since: datetime | None = Field(description="When the first of these batches was created.")
    days: int = Field(description="How many days.")
    completed: int = Field(description="Batches that succeeded.")
    failed: int = Field(description="Batches that failed.")
    success_rate: float | None = Field(description="completed / (completed + failed), from 0 to 1.")
    average_items: float | None = Field(description="Rows of a batch that succeeded.")
    average_seconds: float | None = Field(description="Seconds of a batch that succeeded.")


class LastError(Answer):
    """Why the newest failed batch failed."""

    batch_job_id: str = Field(description="The batch.")
    table: str | None = Field(description="The table; null if the whole run failed.")
    text: str | None = Field(description="The error, which ends with what helps if it is one of our own.")
    at: datetime | None = Field(description="When the batch ended.")


class Schedule(Answer):
    """One schedule."""

    name: str = Field(description="Its name in Dagster.")
    job: str = Field(description="The job that it starts.")
    tables: list[str] = Field(description="The tables that the job computes.")
    crons: list[str] = Field(description="Cron expressions of five fields.")
    timezone: str = Field(description="In which they are read.")
    next_tick: datetime = Field(description="Its next tick, with the offset of its time zone; also if it is stopped.")
    stopped: bool = Field(description="Whether somebody has stopped it in Dagster's UI.")


class TableRows(Answer):
    """Rows of what a table has published last."""

    summary: int | None = Field(None, description="Of the aggregate; null if it has none.")
    detail: int | None = Field(None, description="Of the detail rows; null if it has none.")


class RefreshStatus(Answer):
    """How the sensor `refresh` asked a table last for windows whose rows have changed since they were published."""

    at: datetime | None = Field(description="When; null before the first time.")
    windows: int = Field(description="How many windows of its look-back were compared.")
    launched: int = Field(description="How many of them were launched again then.")
    waiting: int = Field(
        description="How many have changed and are not launched yet, for want of room or after a failure."
    )
    since: datetime | None = Field(description="Since when there has been one that waits; null where none does.")
    unknown: int = Field(description="How many were published without a key that can be compared.")
    problem: str = Field(description="What is wrong; empty if nothing is.")


class TableStatus(Answer):
    """One table of aggregation.yaml."""

    name: str = Field(description="The name of its entry.")
    platform: str = Field(description="Its platform in batch_jobs.")
    usable: bool = Field(description="Whether its entry can be used; `aggregation-pipeline plan` says why not.")
    newest_window: str | None = Field(description="The newest window that was published; null before the first.")
    materialized_at: datetime | None = Field(description="When it was last published, whichever window it was.")
    age_seconds: float | None = Field(description="Seconds since then.")
    late_after_seconds: float | None = Field(description="`freshness.fail_after` of its entry; null without one.")
    late: bool | None = Field(description="Whether it is older; null without `freshness`, or before the first window.")
    rows: TableRows = Field(description="Rows of what was published last.")
    last_status: str | None = Field(
        description="Of its platform in its last batch: completed, failed, skipped, in_progress or pending."
    )
    last_batch: str | None = Field(description="The id of that batch.")
    error: str | None = Field(description="Why it failed in that batch.")
    refresh: RefreshStatus | None = Field(
        description="How it was asked for late rows last; null without `refresh` in its entry."
    )


class Overview(Answer):
    """What goes on. `status`, `lastRun` and `nextRun` are what the Node service answered."""

    status: ServiceStatus = Field(description="Whether a batch runs, and when.")
    last_run: str | None = Field(description=f"When the newest batch was created, {_UTC}.")
    next_run: str | None = Field(description=f"The next tick of the schedules that are on, {_UTC}.")
    running: int = Field(description="Batches that run, of the 20000 newest of BATCH_JOB_TYPE.")
    queued: int = Field(description="Batches that wait, of the same.")
    open_batches: list[BatchSummary] = Field(description="The newest 50 of these.")
    figures: Figures = Field(description="How the last days went.")
    last_error: LastError | None = Field(description="Of the newest batch that failed, of the 20000 newest.")
    config_usable: bool = Field(
        description="Whether aggregation.yaml can be read. If not, schedules and tables are as they were before."
    )
    schedules: list[Schedule] = Field(description="The soonest first.")
    tables: list[TableStatus] = Field(description="In the order of aggregation.yaml.")


class StatusAnswer(Overview):
    """What goes on, and a page of batches. `status`, `lastRun` and `nextRun` are what the Node service answered."""

    age_seconds: float = Field(
        description="For how long all but a filtered list of batches has been known: 10 s at most, or 60 s while"
        " PostgreSQL does not answer."
    )
    batches: BatchList = Field(description="The batches that were asked for.")
