"""What `init` shows of its work: names and counts, never a value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aggregation_pipeline.drafting.draft import Draft, Refused
    from aggregation_pipeline.drafting.files import Written
    from aggregation_pipeline.drafting.written import Existing
    from aggregation_pipeline.source.catalogue import Table

_MOST_SHOWN: Final = 8


def as_shown(text: str) -> str:
    """A text of the database without what would move the cursor, colour the terminal or turn letters round."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def show(
    drafts: "Sequence[Draft]",
    refused: "Sequence[Refused]",
    written: "Written",
    existing: "Existing",
    tables: "Sequence[Table]",
    more_parts: "Sequence[str]" = (),
) -> None:
    """Show the new entries on stdout, and what else there is to know on stderr."""
    from aggregation_pipeline.config.messages.listing import some_of
    from aggregation_pipeline.drafting.words import Words

    words = Words("en")
    for draft in drafts:
        entry = draft.parsed
        parts = [
            *([f"{len(entry.shards):,} tables read as one"] if len(entry.shards) > 1 else []),
            words.say(draft.table.rows_known, rows=draft.table.rows),
            f"a window a day by {entry.partition.column}" if entry.partition else "read whole",
            f"keys: {len(entry.group_by)}, figures: {len(entry.aggregations)}, masked: {len(entry.mask)}",
        ]
        click.echo(f"{draft.name}: {'; '.join(parts)}")
    for table in more_parts:
        click.echo(
            f"{as_shown(table)} seems to be a further part of a table that an entry reads: add it to its `table`.",
            err=True,
        )
    for each in refused:
        click.echo(f"{as_shown(each.table.name)} is left out: {as_shown(each.cause)}", err=True)
    names = {table.name for table in tables}
    for entry_name, read in existing.entries.items():
        if gone := [table for table in read if table not in names]:
            listed = some_of(gone, _MOST_SHOWN)
            click.echo(
                f"{entry_name}: there is no table {listed} any more, or no right to read it. The entry stays.", err=True
            )
    for note in written.notes:
        click.echo(note, err=True)
    for path in written.files:
        click.echo(f"Written: {path}", err=True)
    if not written.files:
        click.echo("Nothing is new, and nothing was written.", err=True)
    else:
        click.echo("Look at what it says, masks above all. Then: aggregation-pipeline plan", err=True)
