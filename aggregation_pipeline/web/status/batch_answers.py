"""The fields of `GET /status/{batchJobId}`."""

from datetime import datetime

from pydantic import Field

from aggregation_pipeline.web.common.answers import Answer
from aggregation_pipeline.web.status.answers import BatchSummary


class FileAnswer(Answer):
    """A published file."""

    table: str | None = Field(description="The name of its entry.")
    format: str | None = Field(description="json, csv, excel or parquet.")
    dataset: str | None = Field(description="summary, detail, or all where one file holds both.")
    uri: str | None = Field(description="Its stable name: oss://bucket/key or file:///path.")
    rows: int | None = Field(description="Its rows.")
    bytes: int | None = Field(description="Its size.")
    crc64: str | None = Field(description="CRC-64/XZ of its content, as a decimal number.")
    link: str | None = Field(
        description="Where to download it: an address that OSS has signed, for OSS_LINK_SECONDS; or a path on this"
        " server for a file of STORAGE_DIR. null if the file lies anywhere else."
    )


class PlatformAnswer(Answer):
    """What the batch did for one platform: most often one table, of the same name."""

    platform: str = Field(description="The platform.")
    status: str | None = Field(description="completed, failed, skipped, in_progress or pending.")
    tables: list[str] = Field(description="The tables that belong to it.")
    items: int | None = Field(description="Rows of both datasets.")
    partitions: int | None = Field(description="Windows that are published.")
    planned_partitions: int | None = Field(description="Windows that were to be published.")
    seconds: float | None = Field(description="The sum over its windows.")
    bytes: int | None = Field(description="Of all files.")
    error: str | None = Field(description="Why it failed.")
    files: list[FileAnswer] = Field(description="The newest files, at most 1000 a batch.")
    files_left_out: int = Field(description="How many files only the manifests list.")


class StagesAnswer(Answer):
    """How long a window of a table took."""

    table: str = Field(description="The table.")
    window: str | None = Field(description="The window.")
    stages: dict[str, float] = Field(
        description="Seconds by stage: read, render (what was left of it when all rows were read), publish."
    )


class CheckAnswer(Answer):
    """What a check of a table found."""

    table: str = Field(description="The table.")
    name: str = Field(description="The check.")
    partition: str | None = Field(description="The partition; null for a table without partitions.")
    passed: bool = Field(description="Whether all was as it should be.")
    severity: str = Field(description="error or warn.")
    message: str | None = Field(description="What was found.")


class ErrorAnswer(Answer):
    """A failure of a step, or of the whole run."""

    table: str | None = Field(description="The table; null if the whole run failed.")
    platform: str | None = Field(description="The table's platform.")
    step: str | None = Field(description="The op in Dagster.")
    error: str = Field(description="What went wrong; our own errors end with what helps.")
    at: datetime | None = Field(description="When.")


class BatchAnswer(BatchSummary):
    """One batch. What its row does not say, or says in another way than we write it, is null."""

    wait_seconds: float | None = Field(description="From its creation to its start.")
    run_seconds: float | None = Field(description="From its start to its end.")
    table_seconds: float | None = Field(description="The sum over all windows of all tables.")
    tables: list[PlatformAnswer] = Field(description="By platform, in the order of the configuration.")
    errors: list[ErrorAnswer] = Field(description="The latest failures, at most 50.")
    windows: list[StagesAnswer] = Field(
        description="How long each window took, for the newest 1000; empty if Dagster does not know the run."
    )
    checks: list[CheckAnswer] = Field(description="The newest 1000 checks; empty if Dagster does not know the run.")
    mirror_error: str | None = Field(description="Why the row holds no more; null for a whole row.")
