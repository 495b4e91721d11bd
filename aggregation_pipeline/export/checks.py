"""What must be true of an extract before anything is published. Messages count values and never quote them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.config.checks import Checks, Severity
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import CheckError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.column_text import plain_text
from aggregation_pipeline.storage.manifest import Manifest

NOT_TRUNCATED: Final = "not_truncated"
SCHEMA_UNCHANGED: Final = "schema_unchanged"
SNAPSHOT_HELD: Final = "snapshot_held"
FORMATS_RECONCILED: Final = "formats_reconciled"
ALWAYS: Final[Mapping[str, str]] = {
    NOT_TRUNCATED: "No dataset was cut off by the entry's limit.",
    SCHEMA_UNCHANGED: "Columns and their types are those of the last time.",
    SNAPSHOT_HELD: "All rows are of one moment.",
    FORMATS_RECONCILED: "Every file holds exactly the rows that were read.",
}
# Of the manifest rather than of the rows, and known only when everything is published.
NAMES_SET: Final = "names_set"
NAMES_SET_WORDS: Final = "The files of the window can be reached by their stable names."
# Rows that seem to be there twice by their hashes are compared in full, up to so many.
_COMPARED: Final = 10_000
# Of the values that the entry allows, so many are told.
_SHOWN: Final = 20


@dataclass(frozen=True)
class CheckResult:
    """What became of one check of one window. `numbers` are drawn as history in Dagster."""

    name: str
    passed: bool
    severity: Severity
    blocking: bool
    words: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def named_checks(groups: Sequence[Checks]) -> list[tuple[str, str, Checks]]:
    """(name in Dagster, kind, group) of each configured check; the second of a kind is called min_rows_2."""
    counted: Counter[str] = Counter()
    named = []
    for group in groups:
        for kind in group.names:
            counted[kind] += 1
            named.append((kind if counted[kind] == 1 else f"{kind}_{counted[kind]}", kind, group))
    return named


def expectation(kind: str, group: Checks) -> str:
    """What a check of this kind asks for, in words."""
    match kind:
        case "min_rows":
            return f"at least {_rows(group.min_rows)}"
        case "max_rows":
            return f"at most {_rows(group.max_rows)}"
        case "change_percent":
            return f"within {group.change_percent:g} % of the rows of the window before"
        case "not_null":
            return f"no NULL in {', '.join(group.not_null)}"
        case "unique":
            return f"each {' and each '.join(group.unique)} once"
        case _:
            return "; ".join(
                f"{column} is one of {', '.join(map(str, allowed))}" for column, allowed in group.values.items()
            )


def _rows(count: int | None) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def judge(
    entry: TableEntry, extract: Extract, standing: Manifest | None, before: Callable[[], int | None]
) -> tuple[CheckResult, ...]:
    """Judge all checks that the rows alone decide.

    Args:
        entry: with its groups of checks.
        extract: what was read.
        standing: the manifest of this window, or of the newest, as it stands; None before the first.
        before: gives the rows of the window before; asked only where change_percent is configured.

    Raises:
        CheckError: a check names a column that is not in the files.
    """
    return (
        *_always(extract, standing),
        *(_configured(name, kind, group, extract, before) for name, kind, group in named_checks(entry.checks)),
    )


def names_result(unnamed: Sequence[str]) -> CheckResult:
    """What became of the stable names; `unnamed` says what went wrong, for each that is not right."""
    told = f"{unnamed[0]}{f' And {len(unnamed) - 1} more.' if len(unnamed) > 1 else ''}" if unnamed else ""
    words = (
        f"{len(unnamed)} stable names could not be set; the next publication sets them. {told}"
        if unnamed
        else NAMES_SET_WORDS
    )
    return CheckResult(
        NAMES_SET, not unnamed, "warn", blocking=False, words=words, numbers={"names not set": len(unnamed)}
    )


def counted_dataset(extract_or_manifest: Extract | Manifest) -> int:
    """The rows that min_rows, max_rows and change_percent look at: detail rows where there are any such."""
    by_name = {dataset.name: dataset.rows for dataset in extract_or_manifest.datasets}
    return by_name.get("detail", by_name.get("summary", 0))


def _always(extract: Extract, standing: Manifest | None) -> Iterator[CheckResult]:
    cut = [dataset.name for dataset in extract.datasets if dataset.truncated]
    words = f"limit cut off rows of {' and '.join(cut)}" if cut else ALWAYS[NOT_TRUNCATED]
    yield CheckResult(NOT_TRUNCATED, not cut, "warn", blocking=False, words=words)
    changes = [] if standing is None else list(_schema_changes(extract, standing))
    words = (
        f"{_who_changed(extract, standing)}{'; '.join(changes)}" if standing and changes else ALWAYS[SCHEMA_UNCHANGED]
    )
    yield CheckResult(SCHEMA_UNCHANGED, not changes, "warn", blocking=False, words=words)
    yield CheckResult(SNAPSHOT_HELD, extract.consistency == "snapshot", "warn", blocking=False, words=_moments(extract))


def _moments(extract: Extract) -> str:
    if extract.consistency != "snapshot":
        engines = f" (engines: {extract.engines})" if extract.engines else ""
        return f"consistency: none in the entry; summary and detail rows may be of different moments{engines}"
    if "unknown (" not in extract.engines:
        return ALWAYS[SNAPSHOT_HELD]
    hidden = "view " in extract.engines or "table " in extract.engines
    remedy = "; GRANT SHOW VIEW on the view, and SELECT on its tables, shows more" if hidden else ""
    return f"All rows are of one moment, as far as this account can see: engines {extract.engines}{remedy}."


def _who_changed(extract: Extract, standing: Manifest) -> str:
    if not (extract.columns_asked and standing.columns_asked):
        return ""
    if extract.columns_asked == standing.columns_asked:
        return "the source table has changed, the entry asks for the same: "
    return "the entry asks for other columns than the last time: "


def _schema_changes(extract: Extract, standing: Manifest) -> Iterator[str]:
    old = {dataset.name: {column.name: column.type for column in dataset.columns} for dataset in standing.datasets}
    new = {dataset.name: {column.name: str(column.type) for column in dataset.schema} for dataset in extract.datasets}
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, {}), new.get(name, {})
        yield from (f"{name}.{column} is new" for column in now if column not in was)
        yield from (f"{name}.{column} is gone" for column in was if column not in now)
        yield from (
            f"{name}.{column} was {was[column]} and is {now[column]}"
            for column in now
            if column in was and was[column] != now[column]
        )


def _configured(name: str, kind: str, group: Checks, extract: Extract, before: Callable[[], int | None]) -> CheckResult:
    rows = counted_dataset(extract)
    passed: bool
    words: str
    numbers: dict[str, float]
    match kind:
        case "min_rows":
            passed, words, numbers = (
                rows >= (group.min_rows or 0),
                f"{rows:,} rows, at least {group.min_rows:,} expected",
                {"rows": rows},
            )
        case "max_rows":
            passed, words, numbers = (
                rows <= (group.max_rows or 0),
                f"{rows:,} rows, at most {group.max_rows:,} expected",
                {"rows": rows},
            )
        case "change_percent":
            passed, words, numbers = _change(rows, before(), group.change_percent or 0)
        case "not_null":
            found = {column: _nulls(*_located(extract, kind, [column])) for column in group.not_null}
            passed, words, numbers = _counted(found, "NULLs")
            words += "".join(_odd_days(*_located(extract, kind, [column])) for column, count in found.items() if count)
        case "unique":
            found = {column: _duplicates(*_located(extract, kind, column.split(","))) for column in group.unique}
            passed, words, numbers = _counted(found, "values that are there more than once")
        case _:
            found = {
                column: _unexpected_values(*_located(extract, kind, [column]), allowed)
                for column, allowed in group.values.items()
            }
            passed, words, numbers = _counted(found, "values that are not among those expected")
            # Of the configuration, not of the rows.
            words += "".join(
                f"; {column} may be {_some(allowed)}" for column, allowed in group.values.items() if found[column]
            )
    return CheckResult(name, passed, group.severity, group.blocking, words, numbers)


def _counted(found: Mapping[str, int], what: str) -> tuple[bool, str, dict[str, float]]:
    bad = [f"{column} has {count:,} {what}" for column, count in found.items() if count]
    return not bad, "; ".join(bad) or f"No {what}: {', '.join(found)}", dict(found)


def _some(allowed: Sequence[str | int | bool | None]) -> str:
    more = f" and {len(allowed) - _SHOWN} more" if len(allowed) > _SHOWN else ""
    return ", ".join(map(str, allowed[:_SHOWN])) + more


def _change(rows: int, earlier: int | None, limit: float) -> tuple[bool, str, dict[str, float]]:
    if not earlier:
        return True, f"{rows:,} rows; there is no earlier window with rows to compare with", {"rows": rows}
    change = (rows - earlier) / earlier * 100
    words = f"{rows:,} rows after {earlier:,}: {change:+.1f} %, at most {limit:g} % expected"
    return abs(change) <= limit, words, {"rows": rows, "change percent": round(change, 2)}


def _located(extract: Extract, kind: str, columns: Sequence[str]) -> tuple[Dataset, list[str]]:
    wanted = [column.strip() for column in columns]
    for dataset in sorted(extract.datasets, key=lambda dataset: dataset.name):  # detail first
        if set(wanted) <= set(dataset.schema.names):
            return dataset, wanted
    there = "; ".join(f"{dataset.name}: {', '.join(dataset.schema.names)}" for dataset in extract.datasets)
    names = [name for dataset in extract.datasets for name in dataset.schema.names]
    hints = "".join(did_you_mean(column, names) for column in wanted if column not in names)
    raise CheckError(
        f"checks.{kind}: no dataset of {extract.table} has the column {', '.join(wanted)}. There are {there}.{hints}",
        (),
    )


def _nulls(dataset: Dataset, columns: Sequence[str]) -> int:
    return sum(batch.column(columns[0]).null_count for batch in dataset.batches())


def _odd_days(dataset: Dataset, columns: Sequence[str]) -> str:
    count = dataset.zero_dates.get(columns[0], 0)
    return f"; {count:,} of those in {columns[0]} are dates that no calendar has (zeroDates)" if count else ""


def _unexpected_values(dataset: Dataset, columns: Sequence[str], allowed: Sequence[str | int | bool | None]) -> int:
    texts = pa.array(
        [str(int(value)) if isinstance(value, bool) else str(value) for value in allowed if value is not None],
        pa.string(),
    )
    count = 0
    for batch in dataset.batches():
        field = batch.schema.field(columns[0])
        cells = batch.column(columns[0]).drop_null()
        # As the files show them; bytes need not be text.
        cells = cells if pa.types.is_binary(field.type) else plain_text(cells, field)
        count += len(cells) - (pc.sum(pc.is_in(cells, value_set=texts.cast(cells.type))).as_py() or 0)
    return count


def _duplicates(dataset: Dataset, columns: Sequence[str]) -> int:
    """How many rows have the values of an earlier one; as in a UNIQUE index, a row with a NULL among them is like no
    other.

    Eight bytes a row are held, not the rows: what seems to be there twice by its hash is looked at again.
    """
    hashes = [_hashes(_keys(batch, columns)) for batch in dataset.batches()]
    values, counts = (
        np.unique(np.concatenate(hashes), return_counts=True)
        if hashes
        else (np.empty(0, np.uint64), np.empty(0, np.int64))
    )
    suspects = values[counts > 1]
    if not len(suspects) or len(suspects) > _COMPARED:
        return int((counts[counts > 1] - 1).sum())
    seen: Counter[tuple[object, ...]] = Counter()
    for batch in dataset.batches():
        keys = _keys(batch, columns)
        again = keys.filter(pa.array(np.isin(_hashes(keys), suspects)))
        seen.update(tuple(row.values()) for row in again.to_pylist())
    return sum(count - 1 for count in seen.values())


def _keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """The rows without a NULL, each value as a text of its own, or bytes: Python has no object for some values of the
    columns.
    """
    whole = batch.select(columns).drop_null()
    return pa.RecordBatch.from_arrays([_key(column) for column in whole.columns], names=whole.schema.names)


def _key(column: pa.Array) -> pa.Array:
    if pa.types.is_binary(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        # Two moments of the hour that comes twice look alike on the clock.
        column = column.cast(pa.int64())
    return pc.cast(column, pa.string())


def _hashes(keys: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    frame = pd.DataFrame({name: keys.column(name).to_numpy(zero_copy_only=False) for name in keys.schema.names})
    hashes: npt.NDArray[np.uint64] = pd.util.hash_pandas_object(frame, index=False, categorize=False).to_numpy()  # type: ignore[assignment]
    return hashes
