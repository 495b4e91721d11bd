"""The checks that an entry asks for under `checks`. A new kind is one function here and one line in `_KINDS`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from aggregation_pipeline.config.checks import Checks
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.errors import CheckError
from aggregation_pipeline.export.checks.results import CheckResult, counted_rows

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Dataset, Extract

# The message about an unexpected value lists at most so many of the allowed values.
_ALLOWED_SHOWN: Final = 20

RowsBefore = Callable[[], int | None]


class ConfiguredCheck(NamedTuple):
    """One check of an entry: its name in Dagster, its kind (`min_rows`, ...), and the group that it stands in."""

    name: str
    kind: str
    group: Checks


class _Outcome(NamedTuple):
    passed: bool
    message: str
    numbers: Mapping[str, float]


class _Kind(NamedTuple):
    expectation: Callable[[Checks], str]
    evaluate: "Callable[[Checks, Extract, RowsBefore], _Outcome]"


def configured_checks(groups: Sequence[Checks]) -> list[ConfiguredCheck]:
    """Return every check of the groups. The second of a kind is named `min_rows_2`, and so on."""
    counts: Counter[str] = Counter()
    checks = []
    for group in groups:
        for kind in group.names:
            counts[kind] += 1
            name = kind if counts[kind] == 1 else f"{kind}_{counts[kind]}"
            checks.append(ConfiguredCheck(name, kind, group))
    return checks


def expectation(check: ConfiguredCheck) -> str:
    """Return what the check expects, for people."""
    return _KINDS[check.kind].expectation(check.group)


def evaluate_configured_check(check: ConfiguredCheck, extract: "Extract", rows_before: RowsBefore) -> CheckResult:
    """Evaluate one check on the rows that were read.

    Raises:
        CheckError: the check names a column that is not in the files.
    """
    passed, message, numbers = _KINDS[check.kind].evaluate(check.group, extract, rows_before)
    return CheckResult(check.name, passed, check.group.severity, check.group.blocking, message, numbers)


def _min_rows(group: Checks, extract: "Extract", _: RowsBefore) -> _Outcome:
    rows, least = counted_rows(extract), group.min_rows or 0
    return _Outcome(rows >= least, f"{rows:,} rows, at least {least:,} expected", {"rows": rows})


def _max_rows(group: Checks, extract: "Extract", _: RowsBefore) -> _Outcome:
    rows, most = counted_rows(extract), group.max_rows or 0
    return _Outcome(rows <= most, f"{rows:,} rows, at most {most:,} expected", {"rows": rows})


def _change_percent(group: Checks, extract: "Extract", rows_before: RowsBefore) -> _Outcome:
    rows, before, limit = counted_rows(extract), rows_before(), group.change_percent or 0
    if not before:
        message = f"{rows:,} rows; there is no earlier window with rows to compare with"
        return _Outcome(passed=True, message=message, numbers={"rows": rows})
    change = (rows - before) / before * 100
    message = f"{rows:,} rows after {before:,}: {change:+.1f} %, at most {limit:g} % expected"
    return _Outcome(abs(change) <= limit, message, {"rows": rows, "change percent": round(change, 2)})


def _not_null(group: Checks, extract: "Extract", _: RowsBefore) -> _Outcome:
    from aggregation_pipeline.export.checks.column_counts import nulls

    found = {column: _locate(extract, "not_null", [column]) for column in group.not_null}
    counts = {column: nulls(dataset, column) for column, (dataset, _) in found.items()}
    zero_dates = {column: dataset.zero_dates.get(column, 0) for column, (dataset, _) in found.items()}
    remarks = "".join(
        f"; {zero_dates[column]:,} of the NULLs in {column} were invalid dates (zeroDates)"
        for column, count in counts.items()
        if count and zero_dates[column]
    )
    return _none_expected(counts, "NULL", remarks)


def _unique(group: Checks, extract: "Extract", _: RowsBefore) -> _Outcome:
    from aggregation_pipeline.export.checks.column_counts import duplicates

    counts = {columns: duplicates(*_locate(extract, "unique", columns.split(","))) for columns in group.unique}
    return _none_expected(counts, "duplicate")


def _values(group: Checks, extract: "Extract", _: RowsBefore) -> _Outcome:
    from aggregation_pipeline.export.checks.column_counts import unexpected_values

    found = {column: _locate(extract, "values", [column])[0] for column in group.values}
    counts = {column: unexpected_values(found[column], column, allowed) for column, allowed in group.values.items()}
    # Allowed values may be quoted: they come from the configuration, not from the data.
    allowed_texts = {column: some_of([*map(str, allowed)], _ALLOWED_SHOWN) for column, allowed in group.values.items()}
    remarks = "".join(f"; {column} may be {allowed_texts[column]}" for column, count in counts.items() if count)
    return _none_expected(counts, "unexpected value", remarks)


_KINDS: Final[Mapping[str, _Kind]] = {
    "min_rows": _Kind(lambda group: f"at least {_rows(group.min_rows)}", _min_rows),
    "max_rows": _Kind(lambda group: f"at most {_rows(group.max_rows)}", _max_rows),
    "not_null": _Kind(lambda group: f"no NULL in {', '.join(group.not_null)}", _not_null),
    "unique": _Kind(lambda group: f"no duplicates in {'; '.join(group.unique)}", _unique),
    "values": _Kind(
        lambda group: "; ".join(
            f"{column} is one of {', '.join(map(str, allowed))}" for column, allowed in group.values.items()
        ),
        _values,
    ),
    "change_percent": _Kind(
        lambda group: f"within {group.change_percent:g} % of the rows of the window before", _change_percent
    ),
}


def _rows(count: int | None) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _none_expected(counts: Mapping[str, int], what: str, remarks: str = "") -> _Outcome:
    """The outcome of counting, by column, what should not be there."""
    bad = [f"{column} has {count:,} {what}{'' if count == 1 else 's'}" for column, count in counts.items() if count]
    message = f"{'; '.join(bad)}{remarks}" if bad else f"No {what}s: {', '.join(counts)}"
    return _Outcome(not bad, message, dict(counts))


def _locate(extract: "Extract", kind: str, columns: Sequence[str]) -> "tuple[Dataset, list[str]]":
    """Find the dataset that has all the columns: the detail rows if they have them, else the summary."""
    wanted = [column.strip() for column in columns]
    for dataset in sorted(extract.datasets, key=lambda dataset: dataset.name):  # detail first
        if set(wanted) <= set(dataset.schema.names):
            return dataset, wanted
    known = "; ".join(f"{dataset.name}: {', '.join(dataset.schema.names)}" for dataset in extract.datasets)
    names = [name for dataset in extract.datasets for name in dataset.schema.names]
    hints = "".join(did_you_mean(column, names) for column in wanted if column not in names)
    raise CheckError(
        f"checks.{kind}: no dataset of {extract.table} has the column {', '.join(wanted)}. There are {known}.{hints}",
        (),
    )
