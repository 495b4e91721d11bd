"""What the drafts of a database are to each other: a view may show what the draft of its table masks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from aggregation_pipeline.config.loading import load_usable_config
from aggregation_pipeline.config.pipeline_config import masked_by_source
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.drafting.draft import Draft, How, Refused, prove
from aggregation_pipeline.drafting.written import Existing
from aggregation_pipeline.errors import SourceError, SourceLostError


def refuse_what_shows(
    how: How, path: Path, existing: Existing, results: Sequence[Draft | Refused]
) -> Iterator[Draft | Refused]:
    """Yield the results, and in place of a view's draft why a run would refuse it beside the others.

    Raises:
        SourceLostError: the server went away.
    """
    if not any(map(_is_of_view, results)):
        yield from results
        return
    drafts = [each.parsed for each in results if isinstance(each, Draft)]
    masked = masked_by_source([*drafts, *_entries_of(how, path, existing)])[how.options.name]
    for each in results:
        if isinstance(each, Refused) or not _is_of_view(each):
            yield each
            continue
        try:
            prove(how, each.parsed.model_copy(update={"masked": masked}))
        except SourceLostError:
            raise
        except SourceError as error:
            yield Refused(each.table, "unreadable", str(error))
        else:
            yield each


def _is_of_view(result: Draft | Refused) -> bool:
    return result.table.is_view or result.table.is_stored_view


def _entries_of(how: How, path: Path, existing: Existing) -> list[TableEntry]:
    """The entries that the file has already, as far as they can be used."""
    if not existing.text:
        return []
    name = how.options.name
    config, _ = load_usable_config(path, existing.content, [name] if name else (), {name: how.options.kind})
    return [entry for entry in config.tables if entry.issues is None]
