"""aggregation.yaml as frozen models; the text under a field is what editors show for it.

Rules that concern one field stand on that field, so that one mistake does not hide another in the same entry.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SkipValidation,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema

from aggregation_pipeline.config.checks import CheckGroups, Checks, refuse_unknown_columns
from aggregation_pipeline.config.columns import (
    ALL_COLUMNS,
    COUNT_ROWS,
    FUNCTIONS,
    Aggregation,
    Column,
    EntryModel,
    Figure,
    GroupKey,
    SelectedField,
    refuse_twins,
)
from aggregation_pipeline.config.cross_checks import cross_check
from aggregation_pipeline.config.file_names import Names
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.mask_options import Allow, Asked, MaskRule
from aggregation_pipeline.config.mask_rules import check_masks, exposures, in_reach, masked_by
from aggregation_pipeline.config.masked_columns import NOTHING_MASKED, Masked, hidden_in, joined
from aggregation_pipeline.config.messages.located_errors import Placed, PlacedError
from aggregation_pipeline.config.options import FormatOptions, merged
from aggregation_pipeline.config.partitions import Backfill, Partition
from aggregation_pipeline.config.scheduling import CatchUp, Freshness, Schedule
from aggregation_pipeline.config.sql.expressions import read_expression, read_order
from aggregation_pipeline.config.sql.table_names import TableName, checked_entry_name, checked_table, split_table
from aggregation_pipeline.timezones.names import ZoneName

__all__ = [
    "ALL_COLUMNS",
    "COUNT_ROWS",
    "FORMAT_NAMES",
    "FUNCTIONS",
    "Aggregation",
    "Backfill",
    "Checks",
    "Column",
    "FormatName",
    "FormatOptions",
    "Freshness",
    "MaskRule",
    "Partition",
    "PipelineConfig",
    "SourceLimits",
    "TableEntry",
]

FormatName = Literal["json", "csv", "excel", "parquet"]
FORMAT_NAMES: Final[tuple[str, ...]] = get_args(FormatName)
KeepVersions = Annotated[int, Field(ge=1, le=10_000)] | Literal["all"]
# Five digits of weeks are a thousand years; more would be beyond what dates can hold.
_PERIOD: Final = re.compile(r"^[1-9][0-9]{0,4}[dw]$")
_GROUP: Final = re.compile(r"^[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*$")
_OWNER: Final = re.compile(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+")
_TAG_KEY: Final = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_.-]{0,63}")


def _listed(formats: Any) -> Any:  # noqa: ANN401  # whatever the YAML holds; pydantic judges it next
    # As in OUTPUT_FORMAT, several may stand in one text.
    names = tuple(name.strip() for name in formats.split(",")) if isinstance(formats, str) else formats
    return FORMAT_NAMES if isinstance(names, tuple) and "all" in names else names


def _checked_period(text: str) -> str:
    if not _PERIOD.fullmatch(text):
        raise ValueError("a number of days or weeks is expected, such as 90d or 12w")
    return text


def _checked_group(text: str) -> str:
    if not _GROUP.fullmatch(text):
        raise ValueError(
            f"Dagster takes letters A to Z, digits and _ in a group's name, and / between its parts; found {text!r}"
        )
    return text


# What decides whether something masked is shown.
_MASKING: Final = frozenset(
    ("name", "table", "mask", "group_by", "aggregations", "select_fields", "where", "order_by", "partition", "allow")
)


def _asked(data: Mapping[str, Any]) -> Asked:
    counted = not (data["group_by"] or data["aggregations"] or data["select_fields"])
    return Asked(
        entry=data["name"],
        table=split_table(data["table"]),
        mask=data["mask"],
        groups=data["group_by"],
        figures=(COUNT_ROWS,) if counted else data["aggregations"],
        detail=data["select_fields"],
        where=data["where"],
        order_by=data["order_by"] or (),
        partition=data["partition"] and data["partition"].column,
        allow=data["allow"],
    )


def fingerprint(value: Any) -> str:  # noqa: ANN401  # what JSON can hold
    """A short text that is another one for another value."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _listed_masks(masked: Masked) -> list[tuple[str, list[str]]]:
    return sorted((str(table), sorted(columns)) for table, columns in masked.items())


def _entry_name(data: dict[str, Any]) -> str:
    # A name that was refused is not there; the mistake is reported for the name alone.
    return str(data.get("name", "refused"))


class TableEntry(EntryModel):
    """What is made of one table: a summary (`group_by`, `aggregations`), detail rows (`select_fields`), or both.

    An entry with none of the three counts the table's rows, as `row_count`.
    """

    name: Annotated[str, AfterValidator(checked_entry_name)]
    """The entry's key, and the name of its files."""
    table: Annotated[str, AfterValidator(checked_table), Field(default_factory=_entry_name, validate_default=True)]
    """The source table where it differs from the entry's name: orders, shop.orders; a name that holds a dot in
    backticks: `v1.orders`.
    """
    description: str | None = None
    """Shown in Dagster."""
    platform: Annotated[str, Field(default_factory=_entry_name, min_length=1)]
    """What batch_jobs calls it in platforms_processed. Default: the entry's name."""
    group: (
        Annotated[str, Field(json_schema_extra={"pattern": _GROUP.pattern}), AfterValidator(_checked_group)] | None
    ) = None
    """The box of Dagster's lineage that it is drawn in, with its files: sales, shop/sales. Default: one of its own."""
    owners: tuple[str, ...] = ()
    """E-mail addresses or team:name."""
    tags: Annotated[dict[str, str], Field(default_factory=dict)]
    """Shown and searched in Dagster: letters, digits, . _ - only, at most 63."""
    group_by: tuple[GroupKey, ...] = ()
    """Keys of the summary. Without aggregations: the distinct keys."""
    aggregations: tuple[Figure, ...] = ()
    """Figures of the summary. Without group_by: one row."""
    select_fields: tuple[SelectedField, ...] = ()
    """Columns of the detail rows. '*' alone: all columns, also those that the table gets later."""
    where: str | None = None
    """One SQL condition on the rows of both datasets. NOW() is the run's logical time: the same when it is repeated."""
    order: Literal["primary_key", "none"] = "primary_key"
    """Detail rows come in the order of the primary key; none: as the server gives them."""
    order_by: tuple[str, ...] | None = None
    """Detail rows in this order, then by primary key: [created_at DESC]. An alias of select_fields goes before a column
    of that name.
    """
    limit: Annotated[int, Field(ge=1, le=10**15)] | None = None
    """At most so many rows in each dataset; one that had more is marked truncated in the manifest."""
    formats: Annotated[tuple[FormatName, ...] | None, BeforeValidator(_listed)] = None
    """Files to write, or all. Default: OUTPUT_FORMAT."""
    consistency: Literal["snapshot", "none"] = "snapshot"
    """snapshot: all rows are of one moment, or the run fails. none: for servers, and for engines such as MyISAM, that
    have no snapshots; the manifest says so.
    """
    partition: Partition | None = None
    """Cut the table into windows of time, each with files of its own: {column: created_at, every: day, start:
    2026-01-01}.
    """
    schedule: Schedule | None = None
    """When it runs, instead of CRON_SCHEDULE: one cron expression, a list of them, or none."""
    timezone: ZoneName | None = None
    """The zone of its schedule, windows and NOW(), instead of TIMEZONE."""
    catch_up: CatchUp = "7d"
    """How far back windows are filled that were missed while the service was down; none turns that off. For partitioned
    tables. Windows from before the first start, or from before the entry was there, are filled by a backfill only.
    """
    backfill: Backfill = Backfill()
    """How a backfill of many windows is shared out among runs."""
    allow: Allow = Allow()
    """What sub-selects may read and which stored functions may be called where the file masks columns:
    {tables: [users], functions: [net_price]}."""
    mask: Annotated[dict[str, MaskRule], Field(default_factory=dict)]
    """Personal data, by output column, hidden before anything is written to disk: {email: partial, phone: hash,
    id_card: drop}. partial leaves l****@example.com, 138****5678, 张****; hash is HMAC-SHA-256 with the key MASK_SALT,
    equal for equal values; drop takes the column out; keep lets an output be seen that depends on a masked column,
    which is refused otherwise, in every entry over the table. NULL stays NULL.
    """
    checks: CheckGroups = ()
    """What must be true of the rows: {min_rows: 1, not_null: [id], blocking: true}, or a list of such groups."""
    freshness: Freshness | None = None
    """How old the newest data may grow before Dagster marks the table: {fail_after: 26h}."""
    options: FormatOptions = FormatOptions()
    """How this table's files are written, where it differs from the project's options."""
    source_limits: SourceLimits = SourceLimits()
    """What this table may ask of the database, where it differs from the project's source_limits."""
    names: Names = "copy"
    """Stable names of the files, as orders/2026-11-20/orders.csv and orders/latest/orders.csv, beside the keys that the
    manifest names. copy: copies that the store makes; in a folder hard links. symlink: OSS symlinks. none: no such
    names. Default: the project's names.
    """
    keep_versions: KeepVersions = 1
    """How many versions of a window stay when it is computed again, the one in force included, or all. One that is
    superseded stays for a day in any case, unless masks have changed since. Default: the project's keep_versions.
    """
    keep: (
        Annotated[str, Field(json_schema_extra={"pattern": _PERIOD.pattern}), AfterValidator(_checked_period)] | None
    ) = None
    """Windows whose date is longer ago are deleted by the job retention: 90d or 12w. The newest always stays. Default:
    none are deleted.
    """
    keep_last: Annotated[int, Field(ge=1)] | None = None
    """Windows beyond the newest so many are deleted by the job retention. With keep, only those that both let go."""
    line: Annotated[int | None, Field(exclude=True)] = None
    """Line of the entry in the YAML; None for one that was not read from a file."""
    mistakes: Annotated[str | None, Field(exclude=True)] = None
    """Why the entry cannot be used, in one line for each mistake after the first: it stands for its assets, and nothing
    may run it.
    """
    masked: Annotated[SkipValidation[Masked], SkipJsonSchema(), Field(exclude=True, repr=False)] = NOTHING_MASKED
    """The masked columns of the whole file, set when it was read; empty for an entry that stands alone."""

    @property
    def source(self) -> TableName:
        """The source table's database (None: the connection's own) and its bare name."""
        return split_table(self.table)

    @property
    def datasets(self) -> tuple[str, ...]:
        """What is made of the table: summary, detail or both."""
        summary = () if self.select_fields and not self.group_by and not self.aggregations else ("summary",)
        return (*summary, "detail") if self.select_fields else summary

    @property
    def columns_asked(self) -> str:
        """A fingerprint of all that decides which columns come out, and of which types, while the table stays as it
        is.
        """
        shape = self.model_dump(
            mode="json", include={"table", "group_by", "aggregations", "select_fields", "mask", "timezone"}
        )
        shape["zero_dates"] = self.options.zero_dates
        return fingerprint(shape)

    @property
    def masks_asked(self) -> tuple[str, str]:
        """Fingerprints of what is masked: as far as the entry names the tables, and in the whole file, which views may
        lead to.
        """
        own = [sorted(self.mask.items()), self.allow.model_dump(mode="json")]
        return fingerprint([own, _listed_masks(in_reach(self.asked, self.all_masked))]), fingerprint(
            _listed_masks(self.all_masked)
        )

    @property
    def keep_for(self) -> timedelta | None:
        """`keep` as a time; None where it is not set."""
        if self.keep is None:
            return None
        return int(self.keep[:-1]) * (timedelta(weeks=1) if self.keep.endswith("w") else timedelta(days=1))

    @property
    def asked(self) -> Asked:
        """What it asks for, as far as masks go."""
        return _asked({name: getattr(self, name) for name in type(self).model_fields})

    @property
    def all_masked(self) -> Masked:
        """The columns that some entry of the file masks."""
        return self.masked or masked_by(self.asked)

    @property
    def hidden_columns(self) -> frozenset[str]:
        """Those of its own table, as `named.fold` makes their names."""
        return frozenset(hidden_in(self.source, self.all_masked))

    def within(self, options: FormatOptions, limits: SourceLimits, **defaults: Any) -> Self:  # noqa: ANN401
        """The entry with the project's options, limits and `defaults` of other keys wherever it has none of its own.

        Raises:
            ValueError: the two do not go together.
        """
        given = {key: value for key, value in defaults.items() if key not in self.model_fields_set}
        try:
            given |= {"options": merged(options, self.options), "source_limits": merged(limits, self.source_limits)}
        except ValidationError as error:
            words = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"the options of {self.name} do not go with those of the project: {words}") from None
        return self.model_copy(update=given)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the columns of its files are called; '*' among them stands for all columns of the table."""
        items: tuple[Column | Aggregation, ...] = (*self.group_by, *self.aggregations, *self.select_fields)
        return tuple(item.name for item in items) or (COUNT_ROWS.name,)

    @field_validator("owners")
    @classmethod
    def _owners_suit_dagster(cls, owners: tuple[str, ...]) -> tuple[str, ...]:
        for owner in owners:
            if not _OWNER.fullmatch(owner):
                raise ValueError(f"an e-mail address or team:name is expected, found {owner!r}")
        return owners

    @field_validator("tags")
    @classmethod
    def _tags_suit_dagster(cls, tags: dict[str, str]) -> dict[str, str]:
        for key, value in tags.items():
            if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
                raise ValueError(
                    f"Dagster takes letters, digits, . _ - in tags, at most 63 of them; found {key}: {value}"
                )
        return tags

    @field_validator("where")
    @classmethod
    def _where_is_a_condition(cls, where: str | None) -> str | None:
        return None if where is None else read_expression(where, "condition")

    @field_validator("select_fields")
    @classmethod
    def _fields_differ(cls, fields: tuple[Column, ...]) -> tuple[Column, ...]:
        if len(fields) > 1 and any(field.expr == ALL_COLUMNS for field in fields):
            raise ValueError("'*' means all columns and stands alone; take it out, or the others")
        refuse_twins([field.name for field in fields], "select_fields")
        return fields

    @field_validator("aggregations")
    @classmethod
    def _outputs_differ(cls, aggregations: tuple[Aggregation, ...], info: ValidationInfo) -> tuple[Aggregation, ...]:
        keys: tuple[Column, ...] = info.data.get("group_by", ())
        refuse_twins(
            [*(key.name for key in keys), *(figure.name for figure in aggregations)], "group_by and aggregations"
        )
        return aggregations

    @field_validator("group_by")
    @classmethod
    def _keys_differ(cls, keys: tuple[Column, ...]) -> tuple[Column, ...]:
        refuse_twins([key.name for key in keys], "group_by")
        return keys

    @field_validator("order_by")
    @classmethod
    def _order_is_one_thing(cls, order_by: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if order_by is not None and info.data.get("order") == "none":
            raise ValueError("order: none and order_by contradict each other; keep one")
        return None if order_by is None else tuple(read_order(item) for item in order_by)

    @field_validator("mask")
    @classmethod
    def _masks_hide_what_they_say(cls, mask: dict[str, MaskRule], info: ValidationInfo) -> dict[str, MaskRule]:
        data = info.data | {"mask": mask}
        if mask and data.keys() >= _MASKING:  # what was refused is a mistake of its own
            asked = _asked(data)
            check_masks(asked)
            # What other entries mask is known to the whole file alone.
            if found := list(exposures(asked, masked_by(asked))):
                raise PlacedError(found, from_root=False)
        return mask

    @field_validator("checks")
    @classmethod
    def _checks_know_their_columns(cls, checks: tuple[Checks, ...], info: ValidationInfo) -> tuple[Checks, ...]:
        lists = [info.data.get(name) for name in ("group_by", "aggregations", "select_fields")]
        if None not in lists:  # a list that was refused is a mistake of its own
            outputs = [item.name for found in lists for item in found or ()] or [COUNT_ROWS.name]
            if ALL_COLUMNS not in outputs:
                refuse_unknown_columns(checks, outputs)
        return checks

    @field_validator("formats")
    @classmethod
    def _formats_are_there_once(cls, formats: tuple[FormatName, ...] | None) -> tuple[FormatName, ...] | None:
        if formats is not None and not formats:
            raise ValueError("at least one format is expected; leave the key out for OUTPUT_FORMAT")
        return formats and tuple(dict.fromkeys(formats))


class PipelineConfig(EntryModel):
    """The whole of aggregation.yaml."""

    options: FormatOptions = FormatOptions()
    """How the files are written."""
    source_limits: SourceLimits = SourceLimits()
    """What an export may ask of the source database, for each table."""
    names: Names = "copy"
    """How the files of all tables come by their stable names: copy, symlink or none."""
    keep_versions: KeepVersions = 1
    """How many versions of a window stay, the one in force included, or all."""
    tables: tuple[TableEntry, ...] = ()
    """What is made of each table, by name. After loading, each entry holds its own options and limits over those of the
    project.
    """

    @field_validator("tables")
    @classmethod
    def _entries_are_complete(cls, tables: tuple[TableEntry, ...], info: ValidationInfo) -> tuple[TableEntry, ...]:
        above = info.data
        if not {"options", "source_limits", "names", "keep_versions"} <= above.keys():  # refused, and reported
            return tables
        options = above["options"]
        defaults = {key: above[key] for key in ("names", "keep_versions")}
        whole = tuple(entry.within(options, above["source_limits"], **defaults) for entry in tables)
        masked = joined(masked_by(entry.asked) for entry in whole)
        mistakes = cross_check(options, tables, whole)
        for number, entry in enumerate(whole):
            mistakes += [
                Placed(("tables", number, *found.place), found.words) for found in exposures(entry.asked, masked)
            ]
        if mistakes:
            raise PlacedError(mistakes)
        return tuple(entry.model_copy(update={"masked": masked}) for entry in whole) if masked else whole
