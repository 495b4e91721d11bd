"""What `/aggregate` takes and answers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aggregation_pipeline.web.common.answers import Answer

# With the constraint, pydantic refuses what is no Unicode: lone surrogates, which no answer could repeat.
_Text = Annotated[str, Field(min_length=1)]
_EXAMPLE_ID = "3f0c1a5e-8a49-5d0b-9f0e-6f5a1c2b7d10"


class AggregateRequest(BaseModel):
    """What to run. Each key may be left out; without any, all tables are run as of now."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=False)

    tables: list[_Text] | None = Field(None, min_length=1, description="Tables of aggregation.yaml; all if left out.")
    formats: list[_Text] | None = Field(
        None, min_length=1, description="json, csv, excel, parquet; those that are configured if left out."
    )
    at: _Text | None = Field(
        None,
        description="Repeat the schedule's tick of this time, as `run --at` does: in TIMEZONE, or with an offset.",
        examples=["2026-11-20T02:00"],
    )
    partition: str | None = Field(
        None, min_length=1, description="One partition. Of hourly partitions, a date means all hours of the day."
    )
    first: str | None = Field(None, alias="from", min_length=1, description="The first of several partitions.")
    to: str | None = Field(None, min_length=1, description="The last of several partitions, included.")
    dry_run: bool = Field(
        default=False, alias="dryRun", description="Answer which runs there would be, and launch nothing."
    )

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "AggregateRequest":
        if (self.first is None) != (self.to is None):
            raise ValueError("from and to belong together: one of them is missing")
        if sum(value is not None for value in (self.at, self.partition, self.first)) > 1:
            raise ValueError("at, partition, and from with to exclude each other: take one of them")
        return self


class BatchLinks(Answer):
    """Where to look at a batch. Paths on this server."""

    status: str = Field(description="Its answer for programs.")
    run: str = Field(description="The run in Dagster's UI.")


class RequestedBatch(Answer):
    """One run of a request, and so one row of batch_jobs."""

    batch_job_id: str = Field(description="The id of the run and of the row.")
    status: Literal["pending", "in_progress", "completed", "failed", "deleted"] = Field(
        description="As in batch_jobs; deleted if somebody has deleted the run."
    )
    tables: Sequence[str] = Field(description="The tables that it was started for.")
    partition: str | None = Field(None, description="Its partition, where it has one.")
    first: str | None = Field(None, alias="from", description="The first of its partitions, where it has several.")
    to: str | None = Field(None, description="The last of its partitions.")
    links: BatchLinks = Field(description="Where to look at it.")


class SkippedTable(Answer):
    """A table that was asked for with all others, and cannot be run."""

    table: str = Field(description="The name of its entry.")
    reason: str = Field(description="Why.")


class TableOutcome(Answer):
    """What has become of a table."""

    status: Literal["completed", "failed", "skipped"] = Field(description="Of all its partitions together.")
    items: int = Field(description="The rows of both datasets.")
    error: str | None = Field(None, description="What went wrong, or why it was left out.")


class PublishedFile(Answer):
    """A file that was published."""

    model_config = ConfigDict(extra="allow")

    table: str = Field(description="The name of its entry.")
    format: str = Field(description="json, csv, excel or parquet.")
    dataset: str = Field(description="summary, detail, or all.")
    uri: str = Field(description="oss://bucket/key or file:///path: the file's stable name.")
    rows: int = Field(description="How many it holds.")
    bytes: int = Field(description="Its size.")
    crc64: str | None = Field(None, description="Of its content.")


class OldTable(Answer):
    """A table, as the Node service answered it, without the rows."""

    success: bool = Field(description="Whether it is completed.")
    record_count: int = Field(description="The rows of both datasets.")
    error: str | None = Field(None, description="What went wrong.")


class OldSummary(Answer):
    """The sums, as the Node service answered them."""

    total_tables: int = Field(description="The tables that were run.")
    total_records: int = Field(description="The rows of all tables.")
    success_count: int = Field(description="The tables that are completed.")
    error_count: int = Field(description="The tables that are not.")


class OldResult(Answer):
    """The result, as the Node service answered it, without the rows."""

    timestamp: str = Field(description="The moment of this answer, in UTC.")
    tables: Mapping[str, OldTable] = Field(description="By name.")
    summary: OldSummary = Field(description="The sums.")
    output_files: Sequence[str] = Field(description="Where the files are.")


class RequestLinks(Answer):
    """Where to ask again. Paths on this server."""

    self_: str = Field(alias="self", description="This request.")


class AggregateAnswer(Answer):
    """A request and its runs. `success`, `message` and `result` are what the Node service answered."""

    success: bool = Field(description="false if all runs have ended, and one has failed.")
    message: str = Field(description="The same in words.")
    error: str | None = Field(None, description="What went wrong.")
    timestamp: str = Field(description="The moment of this answer, in UTC.", examples=["2026-11-27T02:00:00.000Z"])
    status: Literal["pending", "in_progress", "completed", "failed"] = Field(
        description="pending until the first run starts, and completed or failed once all have ended."
    )
    request_id: str = Field(description="The id of the request.", examples=[_EXAMPLE_ID])
    batch_job_id: str = Field(description="The id of the first run.")
    replayed: bool = Field(description="Whether the request had been made before, with the same Idempotency-Key.")
    batches: Sequence[RequestedBatch] = Field(description="Its runs.")
    skipped: Sequence[SkippedTable] = Field(description="Tables that are not run.")
    links: RequestLinks = Field(description="Where to ask again.")
    total_items: int | None = Field(None, description="The rows of all tables. Only when all runs have ended.")
    tables: Mapping[str, TableOutcome] | None = Field(None, description="By name. Only when all runs have ended.")
    files: Sequence[PublishedFile] | None = Field(None, description="Only when all runs have ended.")
    result: OldResult | None = Field(None, description="For old scripts. Only when all runs have ended.")


class PlannedBatch(Answer):
    """A run that there would be."""

    job: str = Field(description="The job in Dagster.")
    tables: Sequence[str] = Field(description="The tables of the run.")
    windows: Sequence[str] = Field(description="The windows that it would write of each table.")
    partition: str | None = Field(None, description="Its partition, where it has one.")
    first: str | None = Field(None, alias="from", description="The first of its partitions, where it has several.")
    to: str | None = Field(None, description="The last of its partitions.")


class PlanAnswer(Answer):
    """What a request would come to. Nothing was launched."""

    success: Literal[True] = True
    message: str = Field(description="How many runs there would be.")
    timestamp: str = Field(description="The moment of this answer, in UTC.")
    dry_run: Literal[True] = True
    batches: Sequence[PlannedBatch] = Field(description="The runs.")
    skipped: Sequence[SkippedTable] = Field(description="Tables that would not be run.")


class OpenBatch(Answer):
    """A run that is not finished, and writes what was asked for."""

    batch_job_id: str = Field(description="The id of the run and of its row in batch_jobs.")
    tables: Sequence[str] = Field(description="The tables that it has in common with the request.")
    links: BatchLinks = Field(description="Where to look at it.")


class Refused(Answer):
    """Why nothing was done, or nothing can be said."""

    success: Literal[False] = False
    message: str = Field(description="What the service did not do.")
    error: str = Field(description="Why, which key of the request is meant, and what would be right.")
    batches: Sequence[OpenBatch] | None = Field(None, description="For 409: the runs that are not finished.")
