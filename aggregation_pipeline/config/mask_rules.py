"""Which outputs of an entry hide personal data, and whether something else in the entry would show it all the same.

Whatever depends on a masked column is masked too, kept on purpose, or refused: figures with it, since a group can be
one row. Sub-selects over tables with masked columns, and stored functions, are refused unless the entry lists them.
"""

from collections.abc import Iterable, Iterator, Sequence

from aggregation_pipeline.config.columns import Column
from aggregation_pipeline.config.disallowed_references import disallowed_references
from aggregation_pipeline.config.entry_query import (
    FALLBACK_OUTPUT_NAME,
    INNER_OUTPUT_NAME,
    EntryQuery,
    Output,
    expressions_of,
    output_sql,
)
from aggregation_pipeline.config.masked_columns import (
    MaskedColumn,
    MaskedColumns,
    exposed_columns,
    masked_columns_of,
    merge_masked,
    source_columns,
)
from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.expressions import is_plain_word, output_name, split_direction, to_sql
from aggregation_pipeline.config.sql.references import comparable_name, references_in, same_table


def check_masks(query: EntryQuery) -> None:
    """Refuse masks that hide nothing, and datasets of which nothing is left.

    Raises:
        ValueError: names the mask or the dataset.
    """
    rules = query.rules
    if len(rules) < len(query.mask):
        raise ValueError("two masks differ in case only, and outputs do not; keep one")
    outputs = {output.name.casefold(): output.name for _, output in query.outputs}
    for name, rule in query.mask.items():
        kept_window = (
            rule == "keep" and query.partition is not None and comparable_name(name) == comparable_name(query.partition)
        )
        if name.casefold() not in outputs and not query.selects_all and not kept_window:
            hint = did_you_mean(name, outputs.values())
            raise ValueError(
                f"{name} is no output of this entry, so nothing would be masked.{hint} Outputs are"
                f" {', '.join(outputs.values())}"
            )
    for dataset, columns in zip(("summary", "detail"), query.datasets, strict=True):
        if columns and all(rules.get(column.name.casefold()) == "drop" for _, column in columns):
            raise ValueError(f"every output of the {dataset} is dropped; leave the {dataset} out instead")
    for _, output in query.outputs:
        if rules.get(output.name.casefold(), "keep") != "keep" and references_in(output_sql(output)).selects_all:
            raise ValueError(
                f"the output {output.name} is masked, and which columns it hides cannot be told from a sub-select with"
                " *, TABLE or NATURAL; name the columns"
            )


def masked_by(query: EntryQuery) -> MaskedColumns:
    """The columns of the database that the masks of an entry hide."""
    masked = [name for name, rule in query.mask.items() if rule != "keep"]
    outputs = [output for name in masked for output in _called(query, name)]
    behind = [source_columns(output_sql(output), query.table, query.entry) for output in outputs]
    # Also where an output of the summary has the name of a column that '*' brings.
    whole = [
        {query.table: {comparable_name(name): MaskedColumn(name, query.entry)}} for name in masked if query.selects_all
    ]
    return merge_masked([*behind, *whole])


def masks_of_star_columns(query: EntryQuery) -> Iterator[str]:
    """The masks that hide a column of '*' or nothing: no output of that name is made of a column."""
    for name, rule in query.mask.items():
        behind = (source_columns(output_sql(output), query.table, query.entry) for output in _called(query, name))
        if query.selects_all and rule != "keep" and not any(behind):
            yield name


def _called(query: EntryQuery, name: str) -> list[Output]:
    """The outputs of a name: one of the summary, one of the detail rows, which may be different columns."""
    return [output for _, output in query.outputs if output.name.casefold() == name.casefold()]


def exposures(query: EntryQuery, masked: MaskedColumns) -> Iterator[LocatedIssue]:
    """Whatever in an entry shows, or may show, a masked column, with its place in the entry. `masked` is of the whole
    file.
    """
    if not masked and set(query.mask.values()) <= {"keep"}:
        return
    masked = masked_in_reach(query, masked)
    yield from disallowed_references(query, masked)
    own, rules = masked_columns_of(query.table, masked), query.rules
    aliases: dict[str, MaskedColumn] = {}
    for dataset in query.datasets:
        aliases = _aliases(query, dataset, masked)
        for place, output in dataset:
            if output.name.casefold() not in rules and (
                found := exposed_columns(output_sql(output), query.table, masked, aliases)
            ):
                yield LocatedIssue(
                    place,
                    f"the output {output.name} shows {_listed(found, query.entry)}. Mask it as well, or write "
                    f"{{{output.name}: keep}} under mask if it may be seen",
                )
    open_columns = [hidden for name, hidden in sorted(own.items()) if name not in map(comparable_name, rules)]
    if query.selects_all and open_columns:
        yield LocatedIssue(
            ("select_fields", 0),
            f"select_fields '*' shows {_listed(open_columns, query.entry)}. Mask it as well, or write "
            f"{{{open_columns[0].column}: keep}} under mask if it may be seen",
        )
    # What only the summary calls so is another thing than the column.
    known = {name.casefold() for name in (*(column.name for column in query.select_fields), query.partition or "")}
    for number, item in enumerate(query.order_by):
        expression, _ = split_direction(item)
        name = output_name(expression).casefold()
        rule = rules.get(name) if query.selects_all or name in known else None
        # An output that is kept shows its values, and so may their order.
        if rule != "keep" and (
            rule or exposed_columns(to_sql(expression), query.table, masked, aliases, in_order=True)
        ):
            yield LocatedIssue(
                ("order_by", number),
                f"order_by {item} would tell the order of values that are masked; order by another column",
            )
    if (
        query.partition is not None
        and comparable_name(query.partition) in own
        and rules.get(query.partition.casefold()) != "keep"
    ):
        yield LocatedIssue(
            ("partition", "column"),
            f"the names of the windows show {_listed([own[comparable_name(query.partition)]], query.entry)}. Cut by another"
            f" column, or write {{{query.partition}: keep}} under mask if it may be seen",
        )


def masked_in_reach(query: EntryQuery, masked: MaskedColumns) -> MaskedColumns:
    """What is masked of the tables that the entry may name: a file can have hundreds of others."""
    named = {name.comparable for _, sql in expressions_of(query) for name in references_in(sql).names}
    return {
        table: columns
        for table, columns in masked.items()
        if comparable_name(table.name) in named or same_table(table, query.table)
    }


def _aliases(
    query: EntryQuery, dataset: Sequence[tuple[KeyPath, Output]], masked: MaskedColumns
) -> dict[str, MaskedColumn]:
    """The names under which a statement itself holds what is masked: a sub-select can use those of the outputs around
    it.
    """
    found: dict[str, MaskedColumn] = {}
    for _ in dataset:
        before = len(found)
        for position, (_, output) in enumerate(dataset, start=1):
            hidden = exposed_columns(output_sql(output), query.table, masked, found)
            if hidden or query.rules.get(output.name.casefold(), "keep") != "keep":
                names = {
                    comparable_name(name)
                    for name in (output.name, FALLBACK_OUTPUT_NAME.format(position), INNER_OUTPUT_NAME.format(position))
                }
                # A column by its own name is no other name for it.
                plain = (
                    {comparable_name(output.expr)}
                    if isinstance(output, Column) and is_plain_word(output.expr)
                    else set()
                )
                found |= dict.fromkeys(names - plain, hidden[0] if hidden else MaskedColumn(output.name, query.entry))
        if len(found) == before:
            break
    return found


def _listed(found: Iterable[MaskedColumn], entry: str) -> str:
    by_masker: dict[str, list[str]] = {}
    for hidden in found:
        by_masker.setdefault(_masker(hidden, entry), []).append(hidden.column)
    return "; and ".join(f"{', '.join(sorted(columns))}, {masker}" for masker, columns in by_masker.items())


def _masker(hidden: MaskedColumn, entry: str) -> str:
    return "which is masked" if hidden.entry == entry else f"which the entry {hidden.entry} masks"
