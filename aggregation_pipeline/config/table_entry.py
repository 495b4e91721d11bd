"""An entry of aggregation.yaml as a frozen model; editors show the text under each field.

A rule about one field stands on that field, so that one issue does not hide another in the same entry.
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SkipValidation, ValidationError, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from aggregation_pipeline.config.base_model import ConfigModel, merge_models
from aggregation_pipeline.config.checks import CheckGroups, Checks, refuse_unknown_columns
from aggregation_pipeline.config.columns import (
    ALL_COLUMNS,
    COUNT_ROWS,
    Aggregation,
    AggregationItem,
    Column,
    GroupKey,
    OrderBy,
    SelectedField,
    read_group_condition,
    refuse_duplicate_names,
)
from aggregation_pipeline.config.dagster_labels import GroupName, Owners, Tags
from aggregation_pipeline.config.durations import DaysOrWeeks, DurationOrNone, parse_duration
from aggregation_pipeline.config.entry_query import QUERY_KEYS, EntryQuery, query_of_entry
from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.format_names import Formats
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.mask_options import Allow, MaskRule
from aggregation_pipeline.config.mask_rules import check_masks, exposures, masked_by, masked_in_reach
from aggregation_pipeline.config.masked_columns import NOTHING_MASKED, MaskedColumns, masked_columns_of
from aggregation_pipeline.config.messages.located_issues import LocatedIssuesError
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.partitions import Backfill, Partition
from aggregation_pipeline.config.scheduling import Freshness, Schedule
from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.table_names import TableName, checked_entry_name, checked_table, split_table
from aggregation_pipeline.timezones.names import ZoneName

KeepVersions = Annotated[int, Field(ge=1, le=10_000)] | Literal["all"]
# Set by the loader: from the place of the entry in the file, or from the rest of the file. A user may not write them.
INTERNAL_FIELDS: Final = frozenset(("name", "line", "masked", "issues"))


def _name_of_entry(values: dict[str, Any]) -> str:
    # A refused name is missing here; the issue is reported for the name alone.
    return str(values.get("name", "refused"))


def _fingerprint(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _as_json(masked: MaskedColumns) -> list[tuple[str, list[str]]]:
    return sorted((str(table), sorted(columns)) for table, columns in masked.items())


class TableEntry(ConfigModel):
    """What is made of one table: a summary (`group_by`, `aggregations`), detail rows (`select_fields`), or both.

    An entry with none of the three counts the table's rows, as `row_count`.
    """

    name: Annotated[str, AfterValidator(checked_entry_name)]
    """The entry's key, and the name of its files."""
    table: Annotated[str, AfterValidator(checked_table), Field(default_factory=_name_of_entry, validate_default=True)]
    """The source table, if its name is not the entry's: orders, shop.orders. A name that holds a dot stands in
    backticks: `v1.orders`.
    """
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
    """When it runs, instead of CRON_SCHEDULE: one cron expression, a list of them, or none."""
    timezone: ZoneName | None = None
    """The time zone of its schedule, its windows and NOW(), instead of TIMEZONE."""
    catch_up: DurationOrNone = "7d"
    """For partitioned tables: how far back to fill windows that were missed while the service was down; none turns this
    off. Windows from before the first start, or from before the entry was added, are filled by a backfill only.
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
    masked: Annotated[SkipValidation[MaskedColumns], SkipJsonSchema(), Field(exclude=True, repr=False)] = NOTHING_MASKED
    """The masked columns of the whole file, set when it was read; empty for an entry that stands alone."""

    @property
    def source(self) -> TableName:
        """The source table: its database (None for the connection's own) and its bare name."""
        return split_table(self.table)

    @property
    def datasets(self) -> tuple[str, ...]:
        """What is made of the table: summary, detail or both."""
        summary = () if self.select_fields and not self.group_by and not self.aggregations else ("summary",)
        return (*summary, "detail") if self.select_fields else summary

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the columns in its files; '*' stands for all columns of the table."""
        items: tuple[Column | Aggregation, ...] = (*self.group_by, *self.aggregations, *self.select_fields)
        return tuple(item.name for item in items) or (COUNT_ROWS.name,)

    @property
    def query(self) -> EntryQuery:
        """What it reads from its table, as far as masks are concerned."""
        return query_of_entry({name: getattr(self, name) for name in QUERY_KEYS})

    @property
    def all_masked(self) -> MaskedColumns:
        """The columns that any entry of the file masks."""
        return self.masked or masked_by(self.query)

    @property
    def hidden_columns(self) -> frozenset[str]:
        """The masked columns of its own table, by their comparable names."""
        return frozenset(masked_columns_of(self.source, self.all_masked))

    @property
    def columns_fingerprint(self) -> str:
        """A fingerprint of everything in the entry that decides names and types of the columns."""
        keys = {"table", "group_by", "aggregations", "select_fields", "mask", "timezone"}
        return _fingerprint(self.model_dump(mode="json", include=keys) | {"zero_dates": self.options.zero_dates})

    @property
    def masks_fingerprints(self) -> tuple[str, str]:
        """Fingerprints of what is masked: of the tables that the entry names, and of the whole file.

        Views may read any table of the file, so the second one counts for them.
        """
        own = [sorted(self.mask.items()), self.allow.model_dump(mode="json")]
        named = _as_json(masked_in_reach(self.query, self.all_masked))
        return _fingerprint([own, named]), _fingerprint(_as_json(self.all_masked))

    @property
    def keep_for(self) -> timedelta | None:
        """`keep` as a length of time; None where it is not set."""
        return None if self.keep is None else parse_duration(self.keep)

    def with_project_defaults(self, options: FormatOptions, limits: SourceLimits, **defaults: object) -> Self:
        """The entry with the project's options, limits and other `defaults`, where it has none of its own.

        Raises:
            ValueError: the entry's options contradict those of the project.
        """
        updates = {key: value for key, value in defaults.items() if key not in self.model_fields_set}
        try:
            updates |= {
                "options": merge_models(options, self.options),
                "source_limits": merge_models(limits, self.source_limits),
            }
        except ValidationError as error:
            words = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"the options of {self.name} contradict those of the project: {words}") from None
        return self.model_copy(update=updates)

    @field_validator("where")
    @classmethod
    def _where_is_a_condition(cls, where: str | None) -> str | None:
        return None if where is None else read_expression(where, "condition")

    @field_validator("having")
    @classmethod
    def _having_is_a_condition_on_groups(cls, having: str | None, info: ValidationInfo) -> str | None:
        return None if having is None else read_group_condition(having, info.data)

    @field_validator("select_fields")
    @classmethod
    def _fields_differ(cls, fields: tuple[Column, ...]) -> tuple[Column, ...]:
        if len(fields) > 1 and any(field.expr == ALL_COLUMNS for field in fields):
            raise ValueError("'*' means all columns; take out either '*' or the other fields")
        refuse_duplicate_names([field.name for field in fields], "select_fields")
        return fields

    @field_validator("group_by")
    @classmethod
    def _keys_differ(cls, keys: tuple[Column, ...]) -> tuple[Column, ...]:
        refuse_duplicate_names([key.name for key in keys], "group_by")
        return keys

    @field_validator("aggregations")
    @classmethod
    def _outputs_differ(cls, aggregations: tuple[Aggregation, ...], info: ValidationInfo) -> tuple[Aggregation, ...]:
        keys: tuple[Column, ...] = info.data.get("group_by", ())
        names = [*(key.name for key in keys), *(aggregation.name for aggregation in aggregations)]
        refuse_duplicate_names(names, "group_by and aggregations")
        return aggregations

    @field_validator("order_by")
    @classmethod
    def _order_is_unambiguous(cls, order_by: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if order_by is not None and info.data.get("order") == "none":
            raise ValueError("order: none and order_by contradict each other; keep one")
        return order_by

    @field_validator("mask")
    @classmethod
    def _masks_hide_columns(cls, mask: dict[str, MaskRule], info: ValidationInfo) -> dict[str, MaskRule]:
        values = info.data | {"mask": mask}
        if mask and values.keys() >= QUERY_KEYS:  # a refused key is an issue of its own
            query = query_of_entry(values)
            check_masks(query)
            # What other entries mask is checked where the whole file is known.
            if found := list(exposures(query, masked_by(query))):
                raise LocatedIssuesError(found, from_root=False)
        return mask

    @field_validator("checks")
    @classmethod
    def _checks_name_outputs(cls, checks: tuple[Checks, ...], info: ValidationInfo) -> tuple[Checks, ...]:
        lists = [info.data.get(name) for name in ("group_by", "aggregations", "select_fields")]
        if None not in lists:  # a refused list is an issue of its own
            outputs = [item.name for found in lists for item in found or ()] or [COUNT_ROWS.name]
            if ALL_COLUMNS not in outputs:
                refuse_unknown_columns(checks, outputs)
        return checks
