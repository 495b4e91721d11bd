"""Options that no entry, or not their own one, can follow: file names that meet, totals of columns that are not
there.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.file_names import refuse_collisions
from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.options import FormatOptions

if TYPE_CHECKING:
    from aggregation_pipeline.config.table_entry import TableEntry


def cross_check(
    options: FormatOptions, entries: "Sequence[TableEntry]", whole: "Sequence[TableEntry]"
) -> list[LocatedIssue]:
    """Every such issue, at the option's own place: the project's or the entry's. `whole` are the entries within the
    project's options.
    """
    return [*_names_that_meet(entries, whole), *_unknown_totals(options, entries)]


def _names_that_meet(entries: "Sequence[TableEntry]", whole: "Sequence[TableEntry]") -> Iterator[LocatedIssue]:
    for number, (entry, merged) in enumerate(zip(entries, whole, strict=True)):
        try:
            refuse_collisions(merged.options.file_names, entry.name, entry.datasets)
        except ValueError as error:
            above: KeyPath = ("tables", number) if "file_names" in entry.options.model_fields_set else ()
            yield LocatedIssue((*above, "options", "file_names"), str(error))


def _unknown_totals(options: FormatOptions, entries: "Sequence[TableEntry]") -> Iterator[LocatedIssue]:
    """The project's list is for all tables, so that each name has to be there in one of them."""
    yield from _missing((), options, entries, "of any table")
    for number, entry in enumerate(entries):
        yield from _missing(("tables", number), entry.options, [entry], "of this entry's files")


def _missing(
    above: KeyPath, options: FormatOptions, entries: "Sequence[TableEntry]", where: str
) -> Iterator[LocatedIssue]:
    named = options.excel.totals
    if not isinstance(named, tuple) or not entries or any(ALL_COLUMNS in entry.outputs for entry in entries):
        return
    dropped = {name.casefold() for entry in entries for name, rule in entry.mask.items() if rule == "drop"}
    known = list(dict.fromkeys(name for entry in entries for name in entry.outputs if name.casefold() not in dropped))
    for name in named:
        if name not in known:
            words = (
                f"{name!r} is no column {where}; there are {', '.join(known)}.{did_you_mean(name, known)}".removesuffix(
                    "."
                )
            )
            yield LocatedIssue((*above, "options", "excel", "totals"), words)
