"""Which outputs of an entry its masks hide, and what else in the entry would show a masked column.

Whatever depends on a masked column is masked too, kept on purpose, or refused; aggregations too, since a group can be
one row. Sub-selects over tables with masked columns, and stored functions, are refused unless the entry lists them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    masked_alike,
    masked_columns_of,
    merge_masked,
    source_columns,
)
from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.expressions import is_plain_word, output_name, split_direction, to_sql
from aggregation_pipeline.config.sql.references import comparable_name, is_one_of, references_in


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
        keeps_windows = rule == "keep" and _is_partition_column(query, name)
        if name.casefold() not in outputs and not query.selects_all and not keeps_windows:
            hint = did_you_mean(name, outputs.values())
            raise ValueError(
                f"{name} is no output of this entry, so nothing would be masked.{hint} Outputs are"
                f" {', '.join(outputs.values())}"
            )
    for dataset, columns in zip(("summary", "detail"), query.datasets, strict=True):
        if columns and all(rules.get(column.name.casefold()) == "drop" for _, column in columns):
            raise ValueError(f"every output of the {dataset} is dropped; leave the {dataset} out instead")
    for _, output in query.outputs:
        is_masked = rules.get(output.name.casefold(), "keep") != "keep"
        if is_masked and references_in(output_sql(output), query.dialect).selects_all:
            raise ValueError(
                f"the output {output.name} is masked, and which columns it hides cannot be told from a sub-select with"
                " *, TABLE or NATURAL; name the columns"
            )


def masked_by(query: EntryQuery) -> MaskedColumns:
    """The columns of the database that the masks of an entry hide."""
    masked = [name for name, rule in query.mask.items() if rule != "keep"]
    outputs = [output for name in masked for output in _outputs_named(query, name)]
    sources = [source_columns(output_sql(output), query.table, query.entry, query.dialect) for output in outputs]
    # '*' may bring a column of that name, also where an output of the summary has the name.
    of_star = [
        {query.table: {comparable_name(name): MaskedColumn(name, query.entry)}} for name in masked if query.selects_all
    ]
    return masked_alike(merge_masked([*sources, *of_star]), query.shards)


def masks_of_star_columns(query: EntryQuery) -> Iterator[str]:
    """The masks that can only hide a column of '*': no output of that name is made of a column."""
    for name, rule in query.mask.items():
        outputs = _outputs_named(query, name)
        sources = (source_columns(output_sql(output), query.table, query.entry, query.dialect) for output in outputs)
        if query.selects_all and rule != "keep" and not any(sources):
            yield name


def _outputs_named(query: EntryQuery, name: str) -> list[Output]:
    """The outputs of a name: one of the summary and one of the detail rows, which may be different columns."""
    return [output for _, output in query.outputs if output.name.casefold() == name.casefold()]


def _is_partition_column(query: EntryQuery, name: str) -> bool:
    return query.partition is not None and comparable_name(name) == comparable_name(query.partition)


def exposures(query: EntryQuery, masked: MaskedColumns) -> Iterator[LocatedIssue]:
    """Everything in an entry that shows, or may show, a column in `masked`, which is of the whole file."""
    if not masked and set(query.mask.values()) <= {"keep"}:
        return
    masked = masked_alike(masked_in_reach(query, masked), query.shards)
    yield from disallowed_references(query, masked)
    aliases: dict[str, MaskedColumn] = {}
    for dataset in query.datasets:
        aliases = _masked_aliases(query, dataset, masked)
        yield from _exposing_outputs(query, dataset, masked, aliases)
    yield from _exposing_star(query, masked)
    # The aliases are those of the detail rows, which are the rows that order_by sorts.
    yield from _exposing_order(query, masked, aliases)
    yield from _exposing_windows(query, masked)
    yield from _exposing_keys(query, masked)


def _exposing_outputs(
    query: EntryQuery,
    dataset: Sequence[tuple[KeyPath, Output]],
    masked: MaskedColumns,
    aliases: Mapping[str, MaskedColumn],
) -> Iterator[LocatedIssue]:
    for path, output in dataset:
        if output.name.casefold() in query.rules:
            continue
        if found := exposed_columns(output_sql(output), query.table, masked, aliases, query.dialect):
            yield LocatedIssue(
                path,
                f"the output {output.name} shows {_list_columns(found, query.entry)}. Mask it as well, or write "
                f"{{{output.name}: keep}} under mask if it may be seen",
            )


def _exposing_star(query: EntryQuery, masked: MaskedColumns) -> Iterator[LocatedIssue]:
    own = masked_columns_of(query.table, masked)
    ruled = {comparable_name(name) for name in query.rules}
    exposed = [column for name, column in sorted(own.items()) if name not in ruled]
    if query.selects_all and exposed:
        yield LocatedIssue(
            ("select_fields", 0),
            f"select_fields '*' shows {_list_columns(exposed, query.entry)}. Mask it as well, or write "
            f"{{{exposed[0].column}: keep}} under mask if it may be seen",
        )


def _exposing_order(
    query: EntryQuery, masked: MaskedColumns, aliases: Mapping[str, MaskedColumn]
) -> Iterator[LocatedIssue]:
    # A rule for an output of the summary alone says nothing of the column with that name.
    known = {name.casefold() for name in (*(column.name for column in query.select_fields), query.partition or "")}
    for index, item in enumerate(query.order_by):
        expression, _ = split_direction(item)
        name = output_name(expression, query.dialect).casefold()
        rule = query.rules.get(name) if query.selects_all or name in known else None
        # An output that is kept shows its values, and so may their order.
        if rule == "keep":
            continue
        sql = to_sql(expression, query.dialect)
        if rule or exposed_columns(sql, query.table, masked, aliases, query.dialect, in_order=True):
            yield LocatedIssue(
                ("order_by", index),
                f"order_by {item} would show the order of masked values; order by another column",
            )


def _exposing_windows(query: EntryQuery, masked: MaskedColumns) -> Iterator[LocatedIssue]:
    if query.partition is None or query.rules.get(query.partition.casefold()) == "keep":
        return
    column = masked_columns_of(query.table, masked).get(comparable_name(query.partition))
    if column is not None:
        yield LocatedIssue(
            ("partition", "column"),
            f"the names of the windows show {_list_columns([column], query.entry)}. Partition by another column, or"
            f" write {{{query.partition}: keep}} under mask if it may be seen",
        )


def _exposing_keys(query: EntryQuery, masked: MaskedColumns) -> Iterator[LocatedIssue]:
    for index, key in enumerate(query.refresh_keys):
        exposed = exposed_columns(key, query.table, masked, {}, query.dialect)
        if found := [column for column in exposed if query.rules.get(column.column.casefold()) != "keep"]:
            yield LocatedIssue(
                ("refresh", "key", index),
                f"the key {key} shows {_list_columns(found, query.entry)}, and a fingerprint of its value is stored."
                " Take another column, or COUNT, which shows only where there is none",
            )


def masked_in_reach(query: EntryQuery, masked: MaskedColumns) -> MaskedColumns:
    """The masked columns of the tables that an entry may name; a file can have hundreds of other tables."""
    named = {name.comparable for _, sql in expressions_of(query) for name in references_in(sql, query.dialect).names}
    return {
        table: columns
        for table, columns in masked.items()
        if comparable_name(table.name) in named or is_one_of(table, query.shards)
    }


def _masked_aliases(
    query: EntryQuery, dataset: Sequence[tuple[KeyPath, Output]], masked: MaskedColumns
) -> dict[str, MaskedColumn]:
    """The names of outputs that show a masked column. A sub-select can use the names of the outputs around it."""
    found: dict[str, MaskedColumn] = {}
    # An output may show one by way of another output, so repeat until nothing is added.
    for _ in dataset:
        before = len(found)
        for position, (_, output) in enumerate(dataset, start=1):
            exposed = exposed_columns(output_sql(output), query.table, masked, found, query.dialect)
            if exposed or query.rules.get(output.name.casefold(), "keep") != "keep":
                column = exposed[0] if exposed else MaskedColumn(output.name, query.entry)
                found |= dict.fromkeys(_names_in_statement(output, position), column)
        if len(found) == before:
            break
    return found


def _names_in_statement(output: Output, position: int) -> set[str]:
    """The names by which a statement may know an output. A column by its own name is no alias."""
    names = (output.name, FALLBACK_OUTPUT_NAME.format(position), INNER_OUTPUT_NAME.format(position))
    is_bare_column = isinstance(output, Column) and is_plain_word(output.expr, output.dialect)
    own = {comparable_name(str(output.expr))} if is_bare_column else set()
    return {comparable_name(name) for name in names} - own


def _list_columns(columns: Iterable[MaskedColumn], entry: str) -> str:
    """`email, phone, which is masked; and id, which the entry users masks`."""
    by_clause: dict[str, list[str]] = {}
    for masked in columns:
        clause = "which is masked" if masked.entry == entry else f"which the entry {masked.entry} masks"
        by_clause.setdefault(clause, []).append(masked.column)
    return "; and ".join(f"{', '.join(sorted(names))}, {clause}" for clause, names in by_clause.items())
