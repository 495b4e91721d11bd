"""Which outputs of an entry hide personal data, and whether something else in the entry would show it all the same.

Whatever depends on a masked column is masked too, kept on purpose, or refused: figures with it, since a group can be
one row. Sub-selects over tables with masked columns, and stored functions, are refused unless the entry lists them.
"""

from collections.abc import Iterable, Iterator, Sequence

from aggregation_pipeline.config.columns import Column
from aggregation_pipeline.config.mask_options import INNER_NAME, SPARE_NAME, Asked, Output, fragments, sql_of
from aggregation_pipeline.config.masked_columns import Hidden, Masked, columns_behind, hidden_in, joined, shown
from aggregation_pipeline.config.messages.located_errors import Place, Placed
from aggregation_pipeline.config.messages.nearest import nearest
from aggregation_pipeline.config.opaque_references import not_allowed
from aggregation_pipeline.config.sql.expressions import is_plain_word, name_of, split_direction, to_sql
from aggregation_pipeline.config.sql.references import fold, named_by, same_table


def check_masks(asked: Asked) -> None:
    """Refuse masks that hide nothing, and datasets of which nothing is left.

    Raises:
        ValueError: names the mask or the dataset.
    """
    rules = asked.rules
    if len(rules) < len(asked.mask):
        raise ValueError("two masks differ in case only, and outputs do not; keep one")
    outputs = {output.name.casefold(): output.name for _, output in asked.outputs}
    for name, rule in asked.mask.items():
        kept_window = rule == "keep" and asked.partition is not None and fold(name) == fold(asked.partition)
        if name.casefold() not in outputs and not asked.star and not kept_window:
            hint = nearest(name, outputs.values())
            raise ValueError(
                f"{name} is no output of this entry, so nothing would be masked.{hint} Outputs are"
                f" {', '.join(outputs.values())}"
            )
    for dataset, columns in zip(("summary", "detail"), asked.datasets, strict=True):
        if columns and all(rules.get(column.name.casefold()) == "drop" for _, column in columns):
            raise ValueError(f"every output of the {dataset} is dropped; leave the {dataset} out instead")
    for _, output in asked.outputs:
        if rules.get(output.name.casefold(), "keep") != "keep" and named_by(sql_of(output)).whole:
            raise ValueError(
                f"the output {output.name} is masked, and which columns it hides cannot be told from a sub-select with"
                " *, TABLE or NATURAL; name the columns"
            )


def masked_by(asked: Asked) -> Masked:
    """The columns of the database that the masks of an entry hide."""
    masked = [name for name, rule in asked.mask.items() if rule != "keep"]
    outputs = [output for name in masked for output in _called(asked, name)]
    behind = [columns_behind(sql_of(output), asked.table, asked.entry) for output in outputs]
    # Also where an output of the summary has the name of a column that '*' brings.
    whole = [{asked.table: {fold(name): Hidden(name, asked.entry)}} for name in masked if asked.star]
    return joined([*behind, *whole])


def only_of_star(asked: Asked) -> Iterator[str]:
    """The masks that hide a column of '*' or nothing: no output of that name is made of a column."""
    for name, rule in asked.mask.items():
        behind = (columns_behind(sql_of(output), asked.table, asked.entry) for output in _called(asked, name))
        if asked.star and rule != "keep" and not any(behind):
            yield name


def _called(asked: Asked, name: str) -> list[Output]:
    """The outputs of a name: one of the summary, one of the detail rows, which may be different columns."""
    return [output for _, output in asked.outputs if output.name.casefold() == name.casefold()]


def exposures(asked: Asked, masked: Masked) -> Iterator[Placed]:
    """Whatever in an entry shows, or may show, a masked column, with its place in the entry. `masked` is of the whole
    file.
    """
    if not masked and set(asked.mask.values()) <= {"keep"}:
        return
    masked = in_reach(asked, masked)
    yield from not_allowed(asked, masked)
    own, rules = hidden_in(asked.table, masked), asked.rules
    aliases: dict[str, Hidden] = {}
    for dataset in asked.datasets:
        aliases = _aliases(asked, dataset, masked)
        for place, output in dataset:
            if output.name.casefold() not in rules and (found := shown(sql_of(output), asked.table, masked, aliases)):
                yield Placed(
                    place,
                    f"the output {output.name} shows {_listed(found, asked.entry)}. Mask it as well, or write "
                    f"{{{output.name}: keep}} under mask if it may be seen",
                )
    open_columns = [hidden for name, hidden in sorted(own.items()) if name not in map(fold, rules)]
    if asked.star and open_columns:
        yield Placed(
            ("select_fields", 0),
            f"select_fields '*' shows {_listed(open_columns, asked.entry)}. Mask it as well, or write "
            f"{{{open_columns[0].column}: keep}} under mask if it may be seen",
        )
    # What only the summary calls so is another thing than the column.
    known = {name.casefold() for name in (*(column.name for column in asked.detail), asked.partition or "")}
    for number, item in enumerate(asked.order_by):
        expression, _ = split_direction(item)
        name = name_of(expression).casefold()
        rule = rules.get(name) if asked.star or name in known else None
        # An output that is kept shows its values, and so may their order.
        if rule != "keep" and (rule or shown(to_sql(expression), asked.table, masked, aliases, in_order=True)):
            yield Placed(
                ("order_by", number),
                f"order_by {item} would tell the order of values that are masked; order by another column",
            )
    if asked.partition is not None and fold(asked.partition) in own and rules.get(asked.partition.casefold()) != "keep":
        yield Placed(
            ("partition", "column"),
            f"the names of the windows show {_listed([own[fold(asked.partition)]], asked.entry)}. Cut by another"
            f" column, or write {{{asked.partition}: keep}} under mask if it may be seen",
        )


def in_reach(asked: Asked, masked: Masked) -> Masked:
    """What is masked of the tables that the entry may name: a file can have hundreds of others."""
    named = {name.folded for _, sql in fragments(asked) for name in named_by(sql).names}
    return {
        table: columns
        for table, columns in masked.items()
        if fold(table.name) in named or same_table(table, asked.table)
    }


def _aliases(asked: Asked, dataset: Sequence[tuple[Place, Output]], masked: Masked) -> dict[str, Hidden]:
    """The names under which a statement itself holds what is masked: a sub-select can use those of the outputs around
    it.
    """
    found: dict[str, Hidden] = {}
    for _ in dataset:
        before = len(found)
        for position, (_, output) in enumerate(dataset, start=1):
            hidden = shown(sql_of(output), asked.table, masked, found)
            if hidden or asked.rules.get(output.name.casefold(), "keep") != "keep":
                names = {fold(name) for name in (output.name, SPARE_NAME.format(position), INNER_NAME.format(position))}
                # A column by its own name is no other name for it.
                plain = {fold(output.expr)} if isinstance(output, Column) and is_plain_word(output.expr) else set()
                found |= dict.fromkeys(names - plain, hidden[0] if hidden else Hidden(output.name, asked.entry))
        if len(found) == before:
            break
    return found


def _listed(found: Iterable[Hidden], entry: str) -> str:
    by_masker: dict[str, list[str]] = {}
    for hidden in found:
        by_masker.setdefault(_masker(hidden, entry), []).append(hidden.column)
    return "; and ".join(f"{', '.join(sorted(columns))}, {masker}" for masker, columns in by_masker.items())


def _masker(hidden: Hidden, entry: str) -> str:
    return "which is masked" if hidden.entry == entry else f"which the entry {hidden.entry} masks"
