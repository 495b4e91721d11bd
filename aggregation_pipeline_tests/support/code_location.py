"""A code location of a real configuration that is loaded in this process: no code server has to start."""

import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import DagsterInstance
from dagster._core.remote_origin import CodeLocationOrigin, InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceLoadTarget

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline_tests.support.runs import open_instance

_CODE = """
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.project import load_usable_project
from aggregation_pipeline.settings.base import Settings

defs = build_definitions(load_usable_project(Settings.model_validate({settings!r}), None))
"""


@dataclass(frozen=True)
class Loaded:
    """What the web process has of a deployment whose code is loaded."""

    settings: Settings
    context: WorkspaceProcessContext
    project: CurrentProject
    config: Path

    @property
    def instance(self) -> DagsterInstance:
        """Dagster's storage."""
        return self.context.instance


class _InThisProcess(WorkspaceLoadTarget):
    def __init__(self, file: Path) -> None:
        self._file = file

    def create_origins(self) -> Sequence[CodeLocationOrigin]:
        target = LoadableTargetOrigin(
            executable_path=sys.executable,
            python_file=str(self._file),
            working_directory=str(self._file.parent),
            attribute="defs",
        )
        return [InProcessCodeLocationOrigin(target, location_name="aggregation_pipeline")]


@contextmanager
def loaded(folder: Path, url: str, config: str, **variables: Any) -> Iterator[Loaded]:
    """Load this configuration. Dagster's storage is at `url`; runs come into its queue, and nothing takes them out."""
    path = folder / "aggregation.yaml"
    path.write_text(textwrap.dedent(config), encoding="utf-8")
    values = {"aggregation_config": str(path), "dagster_pg_url": url, "output_format": "csv,json", **variables}
    settings = Settings.model_validate(values)
    code = folder / f"code_of_{folder.name}.py"
    code.write_text(_CODE.format(settings=values), encoding="utf-8")
    with ExitStack() as stack:
        instance = stack.enter_context(open_instance(url))
        with warnings.catch_warnings():
            # Dagster reads a property of schedules that it has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            context = stack.enter_context(WorkspaceProcessContext(instance, _InThisProcess(code)))
        (entry,) = context.get_current_workspace().code_location_entries.values()
        assert entry.load_error is None, entry.load_error
        yield Loaded(settings, context, CurrentProject(settings), path)
