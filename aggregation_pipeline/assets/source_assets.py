"""The MySQL tables that entries read, as assets that can be observed: the beginning of the lineage."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BetaWarning,
    Failure,
    ObserveResult,
    multi_observable_source_asset,
)

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.sources import source_metadata, source_of
from aggregation_pipeline.config.masked_columns import merge_masked
from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.source.mysql.table_state import TableState, open_state_session, read_table_state


def build_sources(tables: Sequence[ConfiguredTable]) -> list[AssetsDefinition]:
    """Build one asset for each distinct source table. "Observe" asks the server how it stands; no row is read."""
    readers: dict[AssetKey, list[ConfiguredTable]] = {}
    for table in tables:
        readers.setdefault(source_of(table.entry, table.database).key, []).append(table)
    if not readers:
        return []

    with warnings.catch_warnings():
        # Marked beta; the version of Dagster is held, and its users can do nothing about it.
        warnings.simplefilter("ignore", BetaWarning)
        observable = multi_observable_source_asset(
            name="observe_sources",
            specs=[
                source_of(jobs[0].entry, jobs[0].database, [job.entry.name for job in jobs])
                for jobs in readers.values()
            ],
            can_subset=True,
            description=(
                "Ask the server how its tables stand: size, estimated rows, newest values. A glance, whatever their"
                " size."
            ),
        )

    def observe_sources(context: AssetExecutionContext) -> Iterator[ObserveResult]:
        chosen = {key: jobs for key, jobs in readers.items() if key in context.selected_asset_keys}
        try:
            states, problems = _states(chosen)
        except PipelineError as error:
            raise Failure(str(error)) from error
        for key, state in states.items():
            yield ObserveResult(key, metadata=source_metadata(state))
        if problems:
            raise Failure("\n".join(problems))

    return [observable(observe_sources)]


@redact_errors
def _states(readers: Mapping[AssetKey, Sequence[ConfiguredTable]]) -> tuple[dict[AssetKey, TableState], list[str]]:
    """How each table stands, and why some cannot be asked."""
    states, problems = {}, []
    # All tables are read by the same account.
    first = next(iter(readers.values()))[0]
    with open_state_session(first.source(), first.zone) as session:
        for key, jobs in readers.items():
            times = {column: zone for job in jobs for column, zone in job.partition_columns.items()}
            try:
                states[key] = read_table_state(
                    session, jobs[0].entry.source, times, merge_masked(job.entry.all_masked for job in jobs)
                )
            except SourceLostError:
                raise
            except SourceError as error:
                problems.append(f"{'.'.join(key.path[1:])}: {error}")
    return states, problems
