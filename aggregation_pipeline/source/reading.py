"""What every reader does alike: nothing stays on disk after a failure, and no more rows come than `max_rows`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from aggregation_pipeline.errors import SourceError


@contextlib.contextmanager
def removed_on_failure() -> Iterator[list[Path]]:
    """Yield a list for the files that are written; a failure removes them."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def refuse_too_many(dataset: str, rows: int | None, *, limit: int | None, max_rows: int | None) -> None:
    """Refuse rows over `source_limits.max_rows`.

    Args:
        dataset: which they are of.
        rows: how many there are or have come; None if it is not known.
        limit: of the dataset.
        max_rows: how many are allowed.

    Raises:
        SourceError: there are more.
    """
    if rows is None or max_rows is None or rows <= max_rows:
        return
    # A limit asks for one row more than it keeps.
    if limit is not None and limit <= max_rows:
        return
    raise SourceError(
        f"{dataset}: there are {rows:,} rows or more, over max_rows = {max_rows:,}, so the table was not read to"
        " its end and nothing was published. Narrow its `where`, set a `limit` (which cuts, and says so), or raise"
        " source_limits.max_rows."
    )
