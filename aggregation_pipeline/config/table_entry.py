"""An entry of aggregation.yaml as a frozen model: its keys, what they mean together, and what follows from them."""

import hashlib
import json
from datetime import timedelta
from typing import Self

from pydantic import ValidationError, ValidationInfo, field_validator

from aggregation_pipeline.config.base_model import merge_models
from aggregation_pipeline.config.checks import Checks, refuse_unknown_columns
from aggregation_pipeline.config.columns import (
    ALL_COLUMNS,
    COUNT_ROWS,
    Aggregation,
    Column,
    read_group_condition,
    refuse_duplicate_names,
)
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.config.entry_keys import EntryKeys
from aggregation_pipeline.config.entry_query import QUERY_KEYS, EntryQuery, output_sql, query_of_entry
from aggregation_pipeline.config.hints import refuse_stale_reads
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.config.mask_rules import check_masks, exposures, masked_by, masked_in_reach
from aggregation_pipeline.config.masked_columns import MaskedColumns, masked_alike, masked_columns_of
from aggregation_pipeline.config.messages.located_issues import LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.refresh import Refresh, check_refresh
from aggregation_pipeline.config.shards import (
    checked_shard_column,
    is_shard_column,
    refuse_unmergeable,
    refuse_unmergeable_condition,
    refuse_windows_of_rows,
    shard_name_sql,
    shards_in,
)
from aggregation_pipeline.config.source_kinds import cannot, dialect_of
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.expressions import read_expression, to_sql
from aggregation_pipeline.config.sql.shards import split_tables, table_text
from aggregation_pipeline.config.sql.table_names import TableName


def _fingerprint(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _as_json(masked: MaskedColumns) -> list[tuple[str, list[str]]]:
    return sorted((str(table), sorted(columns)) for table, columns in masked.items())


class TableEntry(EntryKeys):
    """What is made of one table: a summary (`group_by`, `aggregations`), detail rows (`select_fields`), or both.

    An entry with none of the three counts the table's rows, as `row_count`.
    """

    @property
    def source_table(self) -> TableName:
        """The source table, or the first of the shards: its database (None for the connection's own) and bare name."""
        return self.shards[0]

    @property
    def shards(self) -> tuple[TableName, ...]:
        """The tables that are read as one, in order; the source table alone if it is not sharded."""
        return split_tables(self.table)

    @property
    def dialect(self) -> Dialect:
        """In which its SQL is written: that of its source's kind."""
        return dialect_of(self.source_kind)

    @property
    def read_from(self) -> str:
        """The table as people write it, with the name of its source, if that has one: `users of crm`."""
        return f"{self.table} of {self.source}" if self.source else self.table

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
        """The columns that any entry of the file masks; what is masked in one of the entry's shards is in all."""
        return masked_alike(self.masked, self.shards) if self.masked else masked_by(self.query)

    @property
    def hidden_columns(self) -> frozenset[str]:
        """The masked columns of its own table, by their comparable names."""
        return frozenset(masked_columns_of(self.source_table, self.all_masked))

    @property
    def columns_fingerprint(self) -> str:
        """A fingerprint of everything in the entry that decides names and types of the columns."""
        keys = {"table", "group_by", "aggregations", "select_fields", "mask", "timezone"}
        keys |= {"shard_column"} if self.shard_column else set()
        # An entry without a source has the fingerprint that it had before there were sources.
        source = {} if self.source is None else {"source": self.source}
        values = self.model_dump(mode="json", include=keys)
        return _fingerprint(values | source | {"zero_dates": self.options.zero_dates})

    @property
    def masks_fingerprints(self) -> tuple[str, str]:
        """Fingerprints of what is masked: of the tables that the entry names, and of the whole file.

        Views may read any table of the file, so the second one counts for them.
        """
        own = [sorted(self.mask.items()), self.allow.model_dump(mode="json")]
        named = _as_json(masked_in_reach(self.query, self.all_masked))
        return _fingerprint([own, named]), _fingerprint(_as_json(self.all_masked))

    def refresh_fingerprint(self, zone: str) -> str:
        """A fingerprint of everything that decides what the keys of `refresh` mean, windows in this zone included.

        Keys under different ones cannot be compared.
        """
        key = self.refresh and self.refresh.key
        cut_by = self.partition and (self.partition.column, self.partition.column_timezone)
        return _fingerprint([key, self.source, self.table, self.where, cut_by, zone])

    @property
    def keep_for(self) -> timedelta | None:
        """`keep` as a length of time; None where it is not set."""
        return None if self.keep is None else parse_duration(self.keep)

    def of_shard(self, shard: TableName) -> Self:
        """The entry that reads one shard as a table of its own; the shard's name is a constant in it."""
        name = shard_name_sql(shard, self.shards)

        def constant(column: Column) -> Column:
            is_name = is_shard_column(column, self.shard_column)
            return column.model_copy(update={"expr": name, "alias": column.name}) if is_name else column

        return self.model_copy(
            update={
                "table": table_text(shard),
                "shard_name": name,
                "group_by": tuple(map(constant, self.group_by)),
                "select_fields": tuple(map(constant, self.select_fields)),
                "masked": self.all_masked,
            }
        )

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

    @field_validator("source_kind")
    @classmethod
    def _kind_can_read_the_tables(cls, kind: str, info: ValidationInfo) -> str:
        if "table" in info.data and len(split_tables(info.data["table"])) > 1 and (problem := cannot(kind, "shards")):
            raise LocatedIssuesError([LocatedIssue(("table",), f"{problem}; name one table")], from_root=False)
        return kind

    @field_validator("where")
    @classmethod
    def _where_is_a_condition(cls, where: str | None) -> str | None:
        return None if where is None else read_expression(where, "condition")

    @field_validator("having")
    @classmethod
    def _having_is_a_condition_on_groups(cls, having: str | None, info: ValidationInfo) -> str | None:
        condition = None if having is None else read_group_condition(having, info.data)
        refuse_unmergeable_condition(condition, info.data)
        return condition

    @field_validator("select_fields")
    @classmethod
    def _fields_differ(cls, fields: tuple[Column, ...], info: ValidationInfo) -> tuple[Column, ...]:
        if len(fields) > 1 and any(field.expr == ALL_COLUMNS for field in fields):
            raise ValueError("'*' means all columns; take out either '*' or the other fields")
        refuse_duplicate_names([field.name for field in fields], "select_fields")
        refuse_windows_of_rows([field.expr for field in fields], ("select_fields",), info.data)
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
        refuse_unmergeable(list(map(output_sql, aggregations)), ("aggregations",), info.data)
        return aggregations

    @field_validator("shard_column")
    @classmethod
    def _shard_column_is_used(cls, shard_column: str | None, info: ValidationInfo) -> str | None:
        return checked_shard_column(shard_column, info.data)

    @field_validator("order_by")
    @classmethod
    def _order_is_unambiguous(cls, order_by: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if order_by is not None and info.data.get("order") == "none":
            raise ValueError("order: none and order_by contradict each other; keep one")
        refuse_windows_of_rows(order_by or (), ("order_by",), info.data)
        return order_by

    @field_validator("refresh")
    @classmethod
    def _refresh_suits_the_windows(cls, refresh: Refresh | None, info: ValidationInfo) -> Refresh | None:
        # A refused partition or where is an issue of its own.
        if refresh is not None and {"partition", "where"} <= info.data.keys():
            check_refresh(refresh, info.data["partition"], info.data["where"], shards_in(info.data))
        refuse_unmergeable(list(map(to_sql, refresh.key if refresh else ())), ("refresh", "key"), info.data)
        if refresh is not None and (problem := cannot(info.data["source_kind"], "refresh")):
            raise ValueError(f"{problem}; leave `refresh` out")
        return refresh

    @field_validator("hints")
    @classmethod
    def _hints_suit_the_entry(cls, hints: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if hints and (problem := cannot(info.data["source_kind"], "hints")):
            raise ValueError(f"{problem}; leave `hints` out")
        refuse_stale_reads(hints, info.data)
        return hints

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
