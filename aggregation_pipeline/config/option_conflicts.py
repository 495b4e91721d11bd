"""Options that an entry cannot follow: colliding file names, totals of unknown columns, limits below those of hints.

The options may be the project's or the entry's own, so this is checked where both are known.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.file_names import refuse_collisions
from aggregation_pipeline.config.hints import find_longer_limits
from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue
from aggregation_pipeline.config.messages.suggestions import existing_names
from aggregation_pipeline.config.options import FormatOptions

if TYPE_CHECKING:
    from aggregation_pipeline.config.table_entry import TableEntry


def find_option_conflicts(
    options: FormatOptions, entries: "Sequence[TableEntry]", complete: "Sequence[TableEntry]"
) -> list[LocatedIssue]:
    """The issues, each at the option that causes it.

    Args:
        options: the project's.
        entries: as the user wrote them.
        complete: the same entries with the project's options.
    """
    return [
        *_colliding_file_names(entries, complete),
        *_unknown_totals(options, entries),
        *find_longer_limits(complete),
    ]


def _colliding_file_names(entries: "Sequence[TableEntry]", complete: "Sequence[TableEntry]") -> Iterator[LocatedIssue]:
    for index, (entry, with_options) in enumerate(zip(entries, complete, strict=True)):
        try:
            refuse_collisions(with_options.options.file_names, entry.name, entry.datasets)
        except ValueError as error:
            parent: KeyPath = ("tables", index) if "file_names" in entry.options.model_fields_set else ()
            yield LocatedIssue((*parent, "options", "file_names"), str(error))


def _unknown_totals(options: FormatOptions, entries: "Sequence[TableEntry]") -> Iterator[LocatedIssue]:
    """The project's totals are for all tables, so each name has to be a column of at least one."""
    yield from _unknown_totals_of((), options, entries, "of any table")
    for index, entry in enumerate(entries):
        yield from _unknown_totals_of(("tables", index), entry.options, [entry], "of this entry's files")


def _unknown_totals_of(
    parent: KeyPath, options: FormatOptions, entries: "Sequence[TableEntry]", where: str
) -> Iterator[LocatedIssue]:
    totals = options.excel.totals
    if not isinstance(totals, tuple) or not entries or any(ALL_COLUMNS in entry.outputs for entry in entries):
        return
    dropped = {name.casefold() for entry in entries for name, rule in entry.mask.items() if rule == "drop"}
    known = list(dict.fromkeys(name for entry in entries for name in entry.outputs if name.casefold() not in dropped))
    for name in totals:
        if name not in known:
            message = f"{name!r} is no column {where}; {existing_names(name, known)}"
            yield LocatedIssue((*parent, "options", "excel", "totals"), message)
