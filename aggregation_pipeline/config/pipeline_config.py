"""The whole of aggregation.yaml: the options of the project, and its entries."""

from typing import Any

from pydantic import ValidationInfo, field_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.compat import CompatOrName, NodeFiles
from aggregation_pipeline.config.entry_keys import KeepVersions
from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.mask_rules import exposures, masked_by
from aggregation_pipeline.config.masked_columns import merge_masked
from aggregation_pipeline.config.messages.located_issues import LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.option_conflicts import find_option_conflicts
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry


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
    compat: CompatOrName = None
    """node: besides, files as the Node.js service wrote them, for consumers that still read those."""
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
        if not {"options", "source_limits", "names", "keep_versions"} <= project.keys():  # refused, and reported
            return tables
        defaults = {key: project[key] for key in ("names", "keep_versions")}
        complete = tuple(
            entry.with_project_defaults(project["options"], project["source_limits"], **defaults) for entry in tables
        )
        masked = merge_masked(masked_by(entry.query) for entry in complete)
        issues = find_option_conflicts(project["options"], tables, complete)
        for index, entry in enumerate(complete):
            for exposure in exposures(entry.query, masked):
                issues.append(LocatedIssue(("tables", index, *exposure.path), exposure.message))
        if issues:
            raise LocatedIssuesError(issues)
        return tuple(entry.model_copy(update={"masked": masked}) for entry in complete) if masked else complete
