"""The MySQL tables that entries read, as assets that can be observed: the beginning of the lineage."""

import warnings
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, BetaWarning, Failure, ObserveResult, multi_observable_source_asset

from aggregation_pipeline.assets.execution import TableJob
from aggregation_pipeline.assets.sources import source_metadata, source_of
from aggregation_pipeline.errors import PipelineError, SourceError
from aggregation_pipeline.redaction import without_values
from aggregation_pipeline.source.state import open_glance, state_of


def build_sources(tables: Sequence[TableJob]) -> list[AssetsDefinition]:
    """Build one asset for each distinct source table. "Observe" asks the server how it stands; no row is read."""
    readers: dict[AssetKey, list[TableJob]] = {}
    for table in tables:
        readers.setdefault(source_of(table.entry, table.database).key, []).append(table)
    if not readers:
        return []

    with warnings.catch_warnings():
        # Marked beta; the version of Dagster is held, and its users can do nothing about it.
        warnings.simplefilter("ignore", BetaWarning)
        observable = multi_observable_source_asset(
            name="observe_sources",
            specs=[source_of(jobs[0].entry, jobs[0].database, [job.entry.name for job in jobs]) for jobs in readers.values()],
            can_subset=True,
            description="Ask the server how its tables stand: size, estimated rows, newest values. A glance, whatever their size.",
        )

    @without_values
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

    return [observable(observe_sources)]


def _times(jobs: Sequence[TableJob]) -> dict[str, tzinfo]:
    """The columns of time that the entries are cut by; none that one of them masks, since its newest value is the value of a cell."""
    hidden = frozenset[str]().union(*(job.entry.hidden_columns for job in jobs))
    return {column: zone for job in jobs for column, zone in job.times.items() if column.casefold() not in hidden}
