"""The whole of aggregation.yaml: the options of the project, and its entries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.compat import CompatOrName, NodeFiles
from aggregation_pipeline.config.entry_keys import KeepVersions
from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.mask_rules import exposures, masked_by
from aggregation_pipeline.config.masked_columns import MaskedColumns, merge_masked
from aggregation_pipeline.config.messages.located_issues import LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.messages.suggestions import existing_names
from aggregation_pipeline.config.option_conflicts import find_option_conflicts
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.run_requirements import QueueRule, queue_of
from aggregation_pipeline.config.scheduling import Runs
from aggregation_pipeline.config.sources import Sources, limits_of_source, variable_of
from aggregation_pipeline.config.table_entry import TableEntry

# What entries are completed with, or checked against.
_OF_PROJECT: Final = {"options", "source_limits", "names", "keep_versions", "sources"}


class PipelineConfig(ConfigModel):
    """The whole of aggregation.yaml."""

    options: FormatOptions = FormatOptions()
    """How the files are written."""
    source_limits: SourceLimits = SourceLimits()
    """What an export may ask of the source database, for each table."""
    names: StableNames = "copy"
    """How the files of all tables get their stable names: copy, symlink or none."""
    keep_versions: KeepVersions = 1
    """How many versions of a window are kept, the published one included, or all."""
    runs: Runs = "per_tick"
    """per_tick: a tick of a schedule makes one run of all its tables, one after the other. per_table: a run a table, so
    that several machines share them.
    """
    queues: tuple[QueueRule, ...] = ()
    """Which tables go to which queue of workers, with RUNNER=celery: [{tables: big_*, queue: heavy}]. The first rule
    that matches counts.
    """
    compat: CompatOrName = None
    """node: besides, files as the Node.js service wrote them, for consumers that still read those."""
    sources: Sources = Field(default_factory=dict)
    """Several databases, by names that entries give as their source. One needs none of this: the variables DB_... say
    where it is.
    """
    tables: tuple[TableEntry, ...] = ()
    """What is made of each table, by name. An entry's own options and limits go before those of the project."""

    @property
    def node_files(self) -> NodeFiles | None:
        """The files in the shape of the Node.js service, if they are wanted."""
        return None if self.compat is None else self.compat.node

    @field_validator("tables")
    @classmethod
    def _complete_entries(cls, tables: tuple[TableEntry, ...], info: ValidationInfo) -> tuple[TableEntry, ...]:
        """Give each entry the project's defaults, and check what concerns several entries."""
        project: dict[str, Any] = info.data
        if (
            not {"options", "source_limits", "names", "keep_versions", "runs", "queues", "sources"} <= project.keys()
        ):  # refused, and reported
            return tables
        defaults = {key: project[key] for key in ("names", "keep_versions", "runs")}
        complete = tuple(
            entry.with_project_defaults(
                project["options"],
                limits_of_source(project["source_limits"], project["sources"], entry.source),
                **defaults,
                queue=queue_of(entry.name, project["queues"]),
            )
            for entry in tables
        )
        masked = masked_by_source(complete)
        issues = find_option_conflicts(project["options"], tables, complete)
        issues += unknown_sources(tables, {*project["sources"], *(info.context or ())})
        for index, entry in enumerate(complete):
            for exposure in exposures(entry.query, masked[entry.source]):
                issues.append(LocatedIssue(("tables", index, *exposure.path), exposure.message))
        if issues:
            raise LocatedIssuesError(issues)
        return tuple(
            entry.model_copy(update={"masked": masked[entry.source]}) if masked[entry.source] else entry
            for entry in complete
        )


def masked_by_source(entries: Iterable[TableEntry]) -> Mapping[str | None, MaskedColumns]:
    """The columns that entries mask, by source: tables of two servers are two tables, whatever they are called."""
    by_source: dict[str | None, list[MaskedColumns]] = defaultdict(list)
    for entry in entries:
        by_source[entry.source].append(masked_by(entry.query))
    return defaultdict(dict, {source: merge_masked(parts) for source, parts in by_source.items()})


def unknown_sources(entries: Sequence[TableEntry], known: Collection[str]) -> list[LocatedIssue]:
    """An issue for each entry whose source is configured neither in the file nor by variables."""
    return [
        LocatedIssue(("tables", index, "source"), _unknown_source(entry.source, known))
        for index, entry in enumerate(entries)
        if entry.source is not None and entry.source not in known
    ]


def _unknown_source(name: str, known: Collection[str]) -> str:
    there = f"; {existing_names(name, sorted(known))}" if known else ""
    return (
        f"no source is called {name}: write it under sources, or set {variable_of(name, 'host')} and the rest of its"
        f" variables{there}"
    )
