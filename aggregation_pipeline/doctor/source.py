"""A source database: what its kind finds of it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aggregation_pipeline.config.pipeline_config import masked_by_source
from aggregation_pipeline.config.sources import with_variables_of
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.errors import PipelineError, SourceLostError
from aggregation_pipeline.source.findings import Finding, failure
from aggregation_pipeline.source.kind import OtherSource, called, kind_of
from aggregation_pipeline.source.options import SourceOptions

_CONNECT_SECONDS: Final = 10
_STATEMENT_SECONDS: Final = 20


def examine_source(case: Case, source: str | None = None) -> Iterator[Finding]:
    """Look at a database as a run would meet it.

    `source` is the name of one of several databases; None is the one without a name.
    """
    sources = case.sources
    if source is None and not case.settings.has_source and not sources.names:
        yield failure("DB_HOST", "no source database is configured", "Set DB_HOST, DB_USER, DB_PASSWORD and DB_NAME")
        return
    options = _options(case, source)
    entries = [table.entry for table in (case.project.tables if case.project else ()) if table.entry.source == source]
    try:
        for finding in kind_of(options).examine(options, sources.zone(source), entries, _others(case, options)):
            text, remedy = (with_variables_of(source, words) for words in (finding.text, finding.remedy))
            yield replace(finding, text=text, remedy=remedy)
    except SourceLostError as error:
        yield failure("connection", with_variables_of(source, str(error)))


def _options(case: Case, source: str | None) -> SourceOptions:
    options = case.sources.options(source)
    return replace(options, connect_timeout=_CONNECT_SECONDS, stall_timeout=_STATEMENT_SECONDS)


def _others(case: Case, options: SourceOptions) -> list[OtherSource]:
    """The other sources of the kind that entries read, as far as they are configured."""
    others: list[OtherSource] = []
    if case.project is None:
        return others
    masked = masked_by_source(table.entry for table in case.project.tables if table.entry.issues is None)
    for name in case.project.used_sources:
        with suppress(PipelineError):
            there = _options(case, name)
            if name != options.name and there.kind == options.kind:
                others.append(OtherSource(called(name), there, masked[name]))
    return others
