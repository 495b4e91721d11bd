"""The MySQL tables that entries read, as assets that can be observed: the beginning of the lineage."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, Failure, ObserveResult, multi_observable_source_asset

from aggregation_pipeline.assets.execution import TableJob
from aggregation_pipeline.assets.sources import source_metadata, source_of
from aggregation_pipeline.errors import PipelineError, SourceError
from aggregation_pipeline.source.state import open_glance, state_of


def build_sources(tables: Sequence[TableJob]) -> list[AssetsDefinition]:
    """Build one asset for each distinct source table. "Observe" asks the server how it stands; no row is read."""
    readers: dict[AssetKey, list[TableJob]] = {}
    for table in tables:
        readers.setdefault(source_of(table.entry, table.database).key, []).append(table)
    if not readers:
        return []

    @multi_observable_source_asset(  # type: ignore[untyped-decorator]
        name="observe_sources",
        specs=[source_of(jobs[0].entry, jobs[0].database, [job.entry.name for job in jobs]) for jobs in readers.values()],
        can_subset=True,
        description="Ask the server how its tables stand: size, estimated rows, newest values. A glance, whatever their size.",
    )
    def observe_sources(context: AssetExecutionContext) -> Iterator[ObserveResult]:
        problems = []
        try:
            # All tables are read through one connection's settings.
            with open_glance(tables[0].source(), tables[0].zone) as session:
                for key in (key for key in readers if key in context.selected_asset_keys):
                    try:
                        state = state_of(session, readers[key][0].entry.source, _times(readers[key]))
                    except SourceError as error:
                        if error.retryable:
                            raise
                        problems.append(f"{'.'.join(key.path[1:])}: {error}")
                        continue
                    yield ObserveResult(key, metadata=source_metadata(state))
        except PipelineError as error:
            raise Failure(str(error)) from error
        if problems:
            raise Failure("\n".join(problems))

    return [observe_sources]


def _times(jobs: Sequence[TableJob]) -> dict[str, tzinfo]:
    """The columns of time that the entries are cut by; none that one of them masks, since its newest value is the value of a cell."""
    hidden = frozenset[str]().union(*(job.entry.hidden_columns for job in jobs))
    return {column: zone for job in jobs for column, zone in job.times.items() if column.casefold() not in hidden}
