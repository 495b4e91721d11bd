"""`hints:` what an entry tells the server's optimizer, and what the rest of the entry has to say for it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue
from aggregation_pipeline.config.one_or_more import ONE_OR_MORE
from aggregation_pipeline.config.sql.hints import read_hints

if TYPE_CHECKING:
    from aggregation_pipeline.config.table_entry import TableEntry


def _checked(texts: tuple[str, ...]) -> tuple[str, ...]:
    read_hints(texts)
    return texts


HintTexts = Annotated[tuple[str, ...], ONE_OR_MORE, AfterValidator(_checked)]


def refuse_stale_reads(texts: tuple[str, ...], fields: Mapping[str, Any]) -> None:
    """Refuse hints that read outside of the snapshot, where the entry wants one, or looks for late rows.

    Raises:
        ValueError: names the hint, and what to write.
    """
    stale = read_hints(texts).stale
    if stale and fields.get("consistency", "none") != "none":
        raise ValueError(
            f"{stale}. Leave it out, or write `consistency: none` in the entry; its manifest will then say so"
        )
    if stale and fields.get("refresh") is not None:
        raise ValueError(
            f"{stale}. So late rows could be seen that a run does not read yet; leave the hint or `refresh` out"
        )


def find_longer_limits(complete: "Sequence[TableEntry]") -> Iterator[LocatedIssue]:
    """The issues of hints that give a statement more time than the limits of its entry.

    Args:
        complete: the entries, with the project's limits.
    """
    for index, entry in enumerate(complete):
        limits = entry.source_limits
        for key in ("timeout_seconds", "max_snapshot_seconds"):
            most = getattr(limits, key)
            for text, seconds in read_hints(entry.hints).limits:
                if seconds > most:
                    path: KeyPath = ("tables", index, "hints")
                    yield LocatedIssue(
                        path,
                        f"{text} gives a statement {seconds:,.6g} s, more than {key} = {most:,} s. Write a shorter"
                        f" time, leave it out, or raise source_limits.{key}",
                    )
