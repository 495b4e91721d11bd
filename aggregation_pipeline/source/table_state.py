"""The state of a source table, in values of no kind of database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from aggregation_pipeline.config.masked_columns import NOTHING_MASKED, MaskedColumns
from aggregation_pipeline.config.sql.table_names import TableName


@dataclass(frozen=True)
class TableState:
    """The state of a table; the numbers are the server's own estimates.

    Attributes:
        rows: None if the server does not say, as for a view.
        bytes: data and indexes.
        changed: when a row was written last; few servers know it, and only since their start.
        newest: the greatest value of each column of time, as the server shows it.
        newest_at: the instant of the greatest of them.
    """

    rows: int | None = None
    bytes: int | None = None
    changed: datetime | None = None
    newest: Mapping[str, str] = field(default_factory=dict)
    newest_at: datetime | None = None


@dataclass(frozen=True)
class StateQuestion:
    """What is asked of one table.

    Attributes:
        columns: the columns of time whose newest values are wanted, each with the zone of its values. A column that no
            index begins with is left out, since the server would have to read every row; so is a masked one, and one
            that the server computes from a masked one.
        masked: the columns that the config masks.
    """

    table: TableName
    columns: Mapping[str, tzinfo] = field(default_factory=dict)
    masked: MaskedColumns = field(default_factory=lambda: NOTHING_MASKED)
