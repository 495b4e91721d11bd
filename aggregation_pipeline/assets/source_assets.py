"""The source tables that entries read, as assets that can be observed: the beginning of the lineage."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetObservation,
    AssetsDefinition,
    Failure,
    ObserveResult,
    multi_observable_source_asset,
)

from aggregation_pipeline.assets.beta_warnings import without_beta_warnings
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.source_specs import named_by_entry, source_metadata, source_row_count, source_spec
from aggregation_pipeline.config.masked_columns import merge_masked
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import PipelineError, SourceError
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.storage.manifest import Manifest

if TYPE_CHECKING:
    from aggregation_pipeline.source.table_state import TableState

# Each takes a few statements and an event.
_OBSERVED_AFTER_A_RUN: Final = 16


def build_sources(tables: Sequence[ConfiguredTable]) -> list[AssetsDefinition]:
    """Build one asset for each distinct source table. "Observe" asks the server about its state and reads no row."""
    readers: dict[AssetKey, list[ConfiguredTable]] = {}
    sources: dict[AssetKey, TableName] = {}
    for table in tables:
        for key, source in table.source_assets.items():
            readers.setdefault(key, []).append(table)
            sources[key] = source
    if not readers:
        return []

    with without_beta_warnings():
        observable = multi_observable_source_asset(
            name=tables[0].scope.named("observe_sources"),
            specs=[
                source_spec(
                    key,
                    sources[key],
                    tables[0].entry.source,
                    [table.entry.name for table in tables],
                    tables[0].entry.source_kind,
                )
                for key, tables in readers.items()
            ],
            can_subset=True,
            description=(
                "Ask the server about its tables: size, estimated rows, newest values. It takes a moment, whatever"
                " their size."
            ),
        )

    def observe_sources(context: AssetExecutionContext) -> Iterator[ObserveResult]:
        selected = {key: tables for key, tables in readers.items() if key in context.selected_asset_keys}
        try:
            states, problems = _read_states(selected)
        except PipelineError as error:
            raise Failure(str(error)) from error
        for key, state in states.items():
            yield ObserveResult(key, metadata=source_metadata(state))
        if problems:
            raise Failure("\n".join(problems))

    return [observable(observe_sources)]


def observe_source(context: AssetExecutionContext, table: ConfiguredTable, manifest: Manifest) -> None:
    """Log the state of the source table after a run has read it, so that its page shows how fresh it is.

    Of many shards only the first are asked for; "Observe" asks for all. If the server does not answer, the run says so
    and does not fail. `manifest` is that of the window read last.
    """
    keys = itertools.islice(table.source_assets, _OBSERVED_AFTER_A_RUN)
    try:
        states, problems = _read_states({key: [table] for key in keys})
    except PipelineError as error:
        states, problems = {}, [str(error)]
    for key, state in states.items():
        metadata = source_metadata(state, source_row_count(table.entry, manifest))
        context.log_event(AssetObservation(key, metadata=metadata))
    if problems:
        context.log.info("the state of %s could not be read: %s", table.entry.table, "; ".join(problems))


@redact_errors
def _read_states(
    readers: Mapping[AssetKey, Sequence[ConfiguredTable]],
) -> "tuple[dict[AssetKey, TableState], list[str]]":
    """The state of each source table, and why some could not be read."""
    states: dict[AssetKey, TableState] = {}
    problems: list[str] = []
    by_source: dict[str | None, dict[AssetKey, Sequence[ConfiguredTable]]] = {}
    for key, tables in readers.items():
        by_source.setdefault(tables[0].entry.source, {})[key] = tables
    for source, of_source in by_source.items():
        try:
            problems += _read_states_of(of_source, states)
        except PipelineError as error:
            if len(by_source) == 1:
                raise
            # The other servers answer for themselves.
            problems.append(f"{source}: {error}" if source else str(error))
    return states, problems


def _read_states_of(
    readers: Mapping[AssetKey, Sequence[ConfiguredTable]],
    states: "dict[AssetKey, TableState]",
) -> list[str]:
    """Add the states of one source's tables to `states`; return why some could not be read."""
    from aggregation_pipeline.source.kind import kind_of
    from aggregation_pipeline.source.table_state import StateQuestion

    problems = []
    first = next(iter(readers.values()))[0]
    options = first.source()
    by_entry = {tables[0].entry.name: tables[0] for tables in readers.values()}
    named = dict[AssetKey, TableName]()
    for table in by_entry.values():
        named |= named_by_entry(table.entry, table.database, table.scope.key_prefix)
    questions = [
        StateQuestion(
            named[key],
            {column: zone for table in tables for column, zone in table.partition_columns.items()},
            merge_masked(table.entry.all_masked for table in tables),
        )
        for key, tables in readers.items()
    ]
    answers = kind_of(options).table_states(options, first.zone, questions)
    for (key, tables), answer in zip(readers.items(), answers, strict=True):
        if isinstance(answer, SourceError):
            problems.append(f"{'.'.join(key.path[len(tables[0].scope.key_prefix) + 1 :])}: {answer}")
        else:
            states[key] = answer
    return problems
