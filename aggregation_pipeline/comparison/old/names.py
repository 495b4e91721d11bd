"""The files that the Node service wrote: what their names say, and which of them belongs to a tick."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.sql.table_names import as_segment
from aggregation_pipeline.errors import ComparisonError
from aggregation_pipeline.node_files.names import ALL_TABLES, DEFAULT_TEMPLATE, NODE_FORMATS, NodeFormat, read_key

# Of a key: wherever files were moved to, their names stay.
_NAME: Final = DEFAULT_TEMPLATE.rpartition("/")[2]
# A workbook that somebody has given the usual ending.
_WORKBOOK: Final = ".xlsx"
# The files of one run are written one after the other.
_ONE_RUN: Final = timedelta(minutes=5)
_NEAREST_SHOWN: Final = 3


@dataclass(frozen=True)
class OldFile:
    """A file of the Node service.

    Attributes:
        key: where it lies.
        table: the only table in it, as one segment of a path; None for a file of all tables.
        moment: when it was written, by its name.
    """

    key: str
    table: str | None
    moment: datetime | None
    format: NodeFormat

    @property
    def name(self) -> str:
        """Its name without folders."""
        return re.split(r"[/\\]", self.key)[-1]


def parse_old_key(key: str, zone: ZoneInfo) -> OldFile | None:
    """Return what a key says; None if no file of the service has such a name. `zone` is that of the Node process."""
    name = re.split(r"[/\\]", key)[-1]
    read = read_key(f"{name.removesuffix(_WORKBOOK)}.excel" if name.endswith(_WORKBOOK) else name, zone, _NAME)
    if read is None:
        return None
    return OldFile(key, None if read.name == ALL_TABLES else read.name, read.stamp, read.format)


def named_file(key: str, zone: ZoneInfo) -> OldFile:
    """Return a file that somebody names: its name may be any, and its ending says what it is.

    Raises:
        ComparisonError: the ending is none that the service writes.
    """
    if (known := parse_old_key(key, zone)) is not None:
        return known
    ending = "excel" if key.lower().endswith(_WORKBOOK) else key.rpartition(".")[2].lower()
    old_format = next((each for each in NODE_FORMATS if each == ending), None)
    if old_format is None:
        raise ComparisonError(f"--file {key}: a name that ends in .json, .csv, .excel or .xlsx is expected.")
    return OldFile(key, None, None, old_format)


def nearest_file(
    files: Iterable[OldFile], table: str, tick: datetime, within: timedelta, old_format: NodeFormat | None = None
) -> OldFile:
    """Return the file with `table` that was written nearest to the tick, before or after it.

    Raises:
        ComparisonError: there is none within that time; the message names the nearest others.
    """
    wanted = [
        (abs(file.moment - tick), file)
        for file in files
        if file.moment is not None
        and file.table in (None, as_segment(table))
        and (file.table is not None or file.format != "csv")
        and (old_format is None or file.format == old_format)
    ]
    wanted.sort(key=lambda each: (each[0], each[1].key))
    near = [(away, file) for away, file in wanted if away <= within]
    if not near:
        raise ComparisonError(_none_near(table, tick, within, [file for _, file in wanted]))
    least = near[0][0]
    of_one_run = [file for away, file in near if away - least <= _ONE_RUN]
    # The one that keeps most of a value comes first.
    return min(of_one_run, key=lambda file: NODE_FORMATS.index(file.format))


def _none_near(table: str, tick: datetime, within: timedelta, others: Sequence[OldFile]) -> str:
    hours = within / timedelta(hours=1)
    nearest = ", ".join(file.name for file in others[:_NEAREST_SHOWN])
    found = f"The nearest are {nearest}" if others else "No file there has a name of the service's"
    return (
        f"table {table!r}: the Node service wrote no file within {hours:g} h of {tick:%Y-%m-%d %H:%M} ({tick.tzinfo})."
        f" {found}. Name the tick with --at or the file with --file, look further with --within, or correct --old and"
        " --node-timezone."
    )
