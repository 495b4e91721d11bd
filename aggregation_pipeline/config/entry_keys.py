"""The keys of an entry in aggregation.yaml; editors show the text under each.

A rule about one key stands on it, so that one issue does not hide another in the same entry. Rules that need several
keys, and what follows from them, are in config/table_entry.py.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, SkipValidation, model_validator
from pydantic.json_schema import SkipJsonSchema

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.checks import CheckGroups
from aggregation_pipeline.config.columns import (
    AggregationItem,
    GroupKey,
    OrderBy,
    SelectedField,
)
from aggregation_pipeline.config.dagster_labels import GroupName, Owners, Tags
from aggregation_pipeline.config.durations import DaysOrWeeks, DurationOrNone
from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.format_names import Formats
from aggregation_pipeline.config.hints import HintTexts
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.mask_options import Allow, MaskRule
from aggregation_pipeline.config.masked_columns import NOTHING_MASKED, MaskedColumns
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.partitions import Backfill, Partition
from aggregation_pipeline.config.refresh import Refresh
from aggregation_pipeline.config.run_requirements import Queue, Resources
from aggregation_pipeline.config.scheduling import Freshness, Runs, Schedule, split_schedule
from aggregation_pipeline.config.shards import ShardColumn, SourceTables
from aggregation_pipeline.config.source_kinds import DEFAULT_KIND, dialect_of
from aggregation_pipeline.config.sources import SourceName
from aggregation_pipeline.config.sql.in_use import using
from aggregation_pipeline.config.sql.table_names import checked_entry_name
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.timezones.names import ZoneName

KeepVersions = Annotated[int, Field(ge=1, le=10_000)] | Literal["all"]
# Set by the loader: from the place of the entry in the file, or from the rest of the file. A user may not write them.
INTERNAL_FIELDS: Final = frozenset(("name", "line", "masked", "issues", "shard_name", "source_kind"))


def _name_of_entry(values: dict[str, Any]) -> str:
    # A refused name is missing here; the issue is reported for the name alone.
    return str(values.get("name", "refused"))


class EntryKeys(ConfigModel):
    """What a user may write for one table, and the three fields that the loader sets."""

    _schedule_is_split = model_validator(mode="before")(split_schedule)

    @model_validator(mode="wrap")
    @classmethod
    def _in_the_dialect_of_its_source(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        kind = values.get("source_kind", DEFAULT_KIND) if isinstance(values, dict) else DEFAULT_KIND
        try:
            dialect = dialect_of(kind)
        except ConfigError as error:
            # Nothing else can be said of it: its SQL is that of the kind.
            raise ValueError(f"{error} (the kind of a source stands in sources, or in DB_<NAME>_KIND)") from error
        with using(dialect):
            return handler(values)

    name: Annotated[str, AfterValidator(checked_entry_name)]
    """The entry's key, and the name of its files."""
    table: Annotated[SourceTables, Field(default_factory=_name_of_entry, validate_default=True)]
    """The source table, if its name is not the entry's: orders, shop.orders. A name that holds a dot stands in
    backticks: `v1.orders`. Shards, which are read as one table: orders_{00..15}, shop_{0..3}.orders_{00..15} (every
    combination), or a list of names.
    """
    source: SourceName | None = None
    """The database that its table is in: one of sources, or one that variables DB_<NAME>_... make. Default: that of
    DB_HOST and DB_NAME.
    """
    source_kind: Annotated[str, SkipJsonSchema(), Field(exclude=True, repr=False)] = DEFAULT_KIND
    """The kind of its source."""
    description: str | None = None
    """Shown in Dagster."""
    platform: Annotated[str, Field(default_factory=_name_of_entry, min_length=1)]
    """Its name in batch_jobs.platforms_processed. Default: the entry's name."""
    group: GroupName | None = None
    """The box in Dagster's lineage that holds the table and its files: sales, shop/sales. Default: a box of its own."""
    owners: Owners = ()
    """E-mail addresses or team:name."""
    tags: Tags
    """Shown and searched in Dagster: letters, digits, . _ - only, at most 63."""
    group_by: tuple[GroupKey, ...] = ()
    """Keys of the summary. Without aggregations: the distinct keys."""
    aggregations: tuple[AggregationItem, ...] = ()
    """Aggregated columns of the summary. Without group_by: one row."""
    select_fields: tuple[SelectedField, ...] = ()
    """Columns of the detail rows. '*' alone: all columns, also those that the table gets later."""
    shard_column: ShardColumn = None
    """For shards: the name of a column that says which shard a row is of. It can be an item of group_by and
    select_fields, and '*' begins with it.
    """
    where: str | None = None
    """One SQL condition on the rows of both datasets. NOW() is the run's logical time, also when the run is repeated.
    """
    order: Literal["primary_key", "none"] = "primary_key"
    """primary_key: detail rows come in the order of the primary key. none: in the order in which the server gives them.
    """
    having: str | None = None
    """One SQL condition on the groups of the summary: COUNT(*) > 5 AND revenue >= 100. A name in an aggregate function
    is a column, elsewhere an output.
    """
    order_by: OrderBy = None
    """Detail rows in this order, then by primary key: [created_at DESC], or as one text, created_at DESC, id. If an
    alias of select_fields and a column have the same name, the alias is meant.
    """
    limit: Annotated[int, Field(ge=1, le=10**15)] | None = None
    """At most so many rows in each dataset. A dataset that had more is marked truncated in the manifest."""
    formats: Formats = None
    """Files to write, or all. Default: OUTPUT_FORMAT."""
    consistency: Literal["snapshot", "none"] = "snapshot"
    """snapshot: all rows are of one moment, or the run fails. none: for servers, and storage engines such as MyISAM,
    that have no snapshots; the manifest says so.
    """
    partition: Partition | None = None
    """Divide the table into windows of time, each with files of its own: {column: created_at, every: day, start:
    2026-01-01}.
    """
    schedule: Schedule | None = None
    """When it runs, instead of CRON_SCHEDULE: one cron expression, a list of them, or none. With runs beside it:
    {cron: 0 2 * * *, runs: per_table}.
    """
    runs: Runs = "per_tick"
    """per_tick: a tick of the schedule makes one run of all its tables. per_table: this table has a run of its own,
    which another machine can take. Default: the project's runs.
    """
    queue: Queue | None = None
    """With RUNNER=celery, the queue of workers that computes it. Default: the first of queues that matches its name."""
    resources: Resources | None = None
    """With RUNNER=kubernetes or docker, what the container of its run is given: {cpu: 500m, memory: 1Gi, limits:
    {memory: 2Gi}}.
    """
    timezone: ZoneName | None = None
    """The time zone of its schedule, its windows and NOW(), instead of TIMEZONE."""
    catch_up: DurationOrNone = "7d"
    """For partitioned tables: how far back to fill windows that were missed while the service was down; none turns this
    off. Windows from before the first start, or from before the entry was added, are filled by a backfill only.
    """
    refresh: Refresh | None = None
    """For partitioned tables: run windows again whose rows have changed since they were published:
    {look_back: 14d, key: MAX(updated_at)}.
    """
    backfill: Backfill = Backfill()
    """How a backfill of many windows is divided into runs."""
    allow: Allow = Allow()
    """What sub-selects may read and which stored functions may be called where the file masks columns:
    {tables: [users], functions: [net_price]}.
    """
    mask: Annotated[dict[str, MaskRule], Field(default_factory=dict)]
    """Personal data, by output column, hidden before anything is written to disk: {email: partial, phone: hash,
    id_card: drop}. partial leaves l****@example.com, 138****5678, 张****. hash is HMAC-SHA-256 with the key MASK_SALT,
    equal for equal values. drop takes the column out. keep shows an output that depends on a masked column; without
    keep it is refused, in every entry over the table. NULL stays NULL.
    """
    checks: CheckGroups = ()
    """What must be true of the rows: {min_rows: 1, not_null: [id], blocking: true}, or a list of such groups."""
    freshness: Freshness | None = None
    """How old the newest data may be before Dagster marks the table: {fail_after: 26h}."""
    options: FormatOptions = FormatOptions()
    """How this table's files are written, where it differs from the project's options."""
    source_limits: SourceLimits = SourceLimits()
    """What this table may ask of the database, where it differs from the project's source_limits."""
    hints: HintTexts = ()
    """Hints to the server's optimizer, in every statement that reads the entry's rows: '/*+ INDEX(orders by_day) */',
    FORCE INDEX (by_day), or a list of both. They reach the server as they are written. Those that could change a result
    or lift a limit are refused.
    """
    names: StableNames = "copy"
    """Stable names of the files, such as orders/2026-11-20/orders.csv and orders/latest/orders.csv, beside the keys in
    the manifest. copy: copies made by the store; hard links in a folder. symlink: OSS symlinks. none: no stable names.
    Default: the project's names.
    """
    keep_versions: KeepVersions = 1
    """How many versions of a window are kept when it is computed again, the published one included, or all. A replaced
    version stays for a day in any case, unless masks have changed since. Default: the project's keep_versions.
    """
    keep: DaysOrWeeks | None = None
    """The job retention deletes windows whose date is longer ago than this: 90d or 12w. The newest window always stays.
    Default: none are deleted.
    """
    keep_last: Annotated[int, Field(ge=1)] | None = None
    """The job retention keeps this many of the newest windows. With keep, it deletes a window only if both allow it."""
    line: Annotated[int | None, Field(exclude=True)] = None
    """Line of the entry in the YAML; None for one that was not read from a file."""
    issues: Annotated[str | None, Field(exclude=True)] = None
    """Why the entry cannot be used, one issue per line after the first. Such an entry is a placeholder: nothing may run
    it.
    """
    shard_name: Annotated[str, SkipJsonSchema(), Field(exclude=True, repr=False)] = ""
    """SQL of the shard's name, in an entry that stands for one shard."""
    masked: Annotated[SkipValidation[MaskedColumns], SkipJsonSchema(), Field(exclude=True, repr=False)] = NOTHING_MASKED
    """The masked columns of the whole file, set when it was read; empty for an entry that stands alone."""
