"""Whether the masks of an entry name outputs that are there, once the server has described them."""

from collections.abc import Iterable, Sequence

from aggregation_pipeline.config.mask_rules import masks_of_star_columns
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError


def require_masked_columns(entry: TableEntry, datasets: Iterable[Sequence[str]]) -> None:
    """Refuse masks that name no output.

    Args:
        entry: with the masks.
        datasets: the names of the outputs of each dataset, the summary first.

    Raises:
        SourceError: names the masks, with the nearest right name.
    """
    *_, last = shown = list(datasets)
    outputs = {name.casefold() for names in shown for name in names}
    # A mask of a column in '*' needs that column in the detail rows: an output of the summary may have the same name.
    detail = {name.casefold() for name in last}
    of_star = set(masks_of_star_columns(entry.query))
    missing = [name for name in entry.mask if name.casefold() not in (detail if name in of_star else outputs)]
    if missing:
        hints = "".join(did_you_mean(name, outputs - {name.casefold()}) for name in missing)
        raise SourceError(
            f"mask: {', '.join(missing)}: no such column.{hints} Was it renamed or dropped in {entry.table}? Until the"
            " mask is corrected nothing is read, because the data might be in another column, without a mask. Columns"
            f" are {', '.join(last)}."
        )
