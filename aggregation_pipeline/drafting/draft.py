"""From a live database to drafts of entries: each table in sessions of its own, read-only and under short limits.

A session is kept for one table only: a snapshot that stays open holds back the server, and an ALTER of what it has
read. What the server would refuse in a run is found here by asking as `plan` does, and such a table is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.loading import load_usable_config
from aggregation_pipeline.config.source_kinds import dialect_of
from aggregation_pipeline.config.sql.in_use import using
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.yaml.writing import Commented, file_text
from aggregation_pipeline.drafting.alike import Alike, alike_parts
from aggregation_pipeline.drafting.entry import Findings, entry_of
from aggregation_pipeline.drafting.entry_names import another_name, entry_name
from aggregation_pipeline.drafting.families import Family
from aggregation_pipeline.drafting.roles import find_roles
from aggregation_pipeline.drafting.sampling import Sample, facts_of_rows
from aggregation_pipeline.drafting.time_column import first_day, time_columns
from aggregation_pipeline.drafting.words import Words
from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.source.catalogue import Catalogue, Table
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange

_ANY_FILE: Final = Path("aggregation.yaml")
_MOST_DETAIL_ROWS: Final = 1_000_000
# Of the parts of one table, so many are sampled.
_SAMPLED_PARTS: Final = 4


@dataclass(frozen=True)
class How:
    """How to look at a database.

    Attributes:
        limits: of each statement.
        sample_rows: how many rows of a table are looked at, 0 for none.
        detail: whether entries list the rows' columns too.
        taken: names that entries have already, case-folded.
    """

    options: SourceOptions
    zone: ZoneInfo
    limits: SourceLimits
    words: Words
    now: datetime
    sample_rows: int = 500
    detail: bool = True
    taken: frozenset[str] = frozenset()

    @property
    def today(self) -> date:
        """The day in the time zone of the entries."""
        return self.now.astimezone(self.zone).date()


@dataclass(frozen=True)
class Draft:
    """The entry of one table: as it is written, and as it is read back."""

    name: str
    table: Table
    entry: Commented
    parsed: TableEntry


@dataclass(frozen=True)
class Refused:
    """A table that cannot be drafted; `reason` is a key of words.py, `cause` says more, without a value."""

    table: Table
    reason: str
    cause: str


def find_tables(how: How) -> list[Table]:
    """List the tables of the database, the largest first.

    Raises:
        SourceError: there is no way to the server.
    """
    with _catalogue(how) as catalogue:
        return catalogue.tables()


def draft_tables(how: How, tables: Iterable[Table]) -> Iterator[Draft | Refused]:
    """Draft each table in turn.

    Raises:
        SourceLostError: the server went away.
    """
    for table in tables:
        try:
            for result in _drafts(how, table):
                if isinstance(result, Draft):
                    how = replace(how, taken=how.taken | {result.name.casefold()})
                yield result
        except SourceLostError:
            raise
        except SourceError as error:
            yield Refused(table, "unreadable", str(error))
        except PipelineError as error:
            yield Refused(table, "unusable", str(error))


def _drafts(how: How, table: Table) -> Iterator[Draft | Refused]:
    """The draft of a table; of several that are to be one, of those that are alike, and why not of the others."""
    with _catalogue(how) as catalogue:
        if isinstance(table, Family):
            alike = alike_parts(catalogue, table)
        else:
            counted = catalogue.count(table)
            alike = Alike(counted, [counted], catalogue.structure(table.name))
    if isinstance(table, Family) and len(alike.members) < 2:
        # No two of them are alike, so they are no parts of one table.
        yield from draft_tables(how, alike.others)
        return
    yield _draft(how, alike)
    for other in alike.others:
        yield Refused(other, "other columns", f"its columns are not those of {alike.table.name}")


def _draft(how: How, alike: Alike) -> Draft:
    table, structure = alike.table, alike.structure
    if not structure.columns:
        raise SourceError("this account sees no columns of it")
    sample, reason = _sample(how, alike)
    title = table.title if isinstance(table, Family) else table.name
    roles = find_roles(title, structure, sample)
    times = time_columns(structure, sample, frozenset(roles.personal))
    indexed = [name for name in times if name in structure.leading]
    found = Findings(table, structure, sample, roles, tuple(indexed or times), not_looked_at=reason)
    found = replace(found, missing=alike.missing, differing=tuple(other.name for other in alike.others))
    if indexed:
        found = replace(found, start=_start(how, alike.members, indexed[0]))
    draft = _parsed(how, found)
    with _catalogue(how) as catalogue:
        if not catalogue.gives_snapshots(draft.parsed):
            draft = _parsed(how, replace(found, snapshots=False))
    prove(how, draft.parsed)
    return draft


def _sample(how: How, alike: Alike) -> tuple[Sample, str]:
    """Facts from some rows, or none and why; of several tables, from the largest, since others may be empty."""
    members = sorted(alike.members, key=lambda member: -member.weight)[:_SAMPLED_PARTS]
    reason = "" if how.sample_rows else "no sample"
    if not reason:
        try:
            with _catalogue(how) as catalogue, catalogue.deadline(2 * how.limits.timeout_seconds):
                if not members[0].is_view or catalogue.can_limit:
                    limit = max(1, how.sample_rows // len(members))
                    cells = [catalogue.some_rows(member.name, alike.structure, limit) for member in members]
                    return facts_of_rows(
                        {name: [cell for each in cells for cell in each[name]] for name in cells[0]}
                    ), ""
                reason = "no limit"
        except SourceLostError:
            raise
        except SourceError:
            # If that was no matter of time, the next statement says what it is.
            reason = "too long"
    with _catalogue(how) as catalogue:
        catalogue.some_rows(members[0].name, alike.structure, 0)
    return Sample(), reason


def _start(how: How, members: Sequence[Table], column: str) -> date:
    try:
        with _catalogue(how) as catalogue, catalogue.deadline(2 * how.limits.timeout_seconds):
            least = filter(None, (catalogue.least(member.name, column) for member in members))
            return first_day(min(least, default=""), how.today)
    except SourceLostError:
        raise
    except SourceError:
        return first_day("", how.today)


def _parsed(how: How, found: Findings) -> Draft:
    """The entry, read as it will be read from the file.

    Raises:
        ConfigError: the loader refuses it.
    """
    rows = found.table.rows if found.table.rows_known == "estimated" else 0
    detail = how.detail and (found.start is not None or rows <= _MOST_DETAIL_ROWS)
    table, source = found.table, how.options.name
    name = table.title if isinstance(table, Family) else entry_name(table.name)
    if source and name.casefold() in how.taken:
        name = f"{source}_{name}"
    if name.casefold() in how.taken:
        # Names of entries differ in more than case, and those of tables need not.
        name = another_name(table.name)
    with using(dialect_of(how.options.kind)):
        entry = entry_of(found, how.words, detail=detail, today=how.today, name=name, source=source)
    text, kinds = file_text([], {name: entry}).encode(), {source: how.options.kind}
    config, issues = load_usable_config(_ANY_FILE, text, [source] if source else (), kinds)
    if issues or config.tables[0].issues:
        raise PipelineError("; ".join(issues.values()) or str(config.tables[0].issues))
    return Draft(name, found.table, entry, config.tables[0])


def prove(how: How, entry: TableEntry) -> None:
    """Ask the server what `plan` asks.

    Raises:
        SourceError: a run would fail.
    """
    limited = entry.model_copy(update={"source_limits": how.limits})
    request = ReadRequest(limited, "plan", how.now, how.zone, partition=_yesterday(how, entry))
    plan = ReadPlan(entry.name, entry.table, "plan")
    kind_of(how.options).plan_read(request, how.options, plan)
    if plan.problems:
        raise SourceError("; ".join(plan.problems))


def _yesterday(how: How, entry: TableEntry) -> TimeRange | None:
    if entry.partition is None:
        return None
    end = datetime.combine(how.today, time(), how.zone).astimezone(UTC)
    start = datetime.combine(how.today - timedelta(days=1), time(), how.zone).astimezone(UTC)
    return TimeRange("plan", entry.partition.column, start, end, how.zone)


def _catalogue(how: How) -> AbstractContextManager[Catalogue]:
    return kind_of(how.options).open_catalogue(how.options, now=how.now, zone=how.zone, limits=how.limits)
