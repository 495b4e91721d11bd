"""What a request asks for, and the runs that it comes to. Nothing here asks PostgreSQL or Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID, uuid5

from dagster import AssetKey

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import keys_between
from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.automation.run_requests import (
    Launch,
    Launches,
    launches,
    no_partition_yet,
    range_launches,
    windows_of,
)
from aggregation_pipeline.automation.selected_assets import select_assets
from aggregation_pipeline.config.selection import select_names
from aggregation_pipeline.errors import ConfigError, LaunchError
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.logical_time import require_past
from aggregation_pipeline.runs.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from aggregation_pipeline.settings.output_format import parse_formats
from aggregation_pipeline.timezones.moments import read_moment

# All runs of a request are created one after the other, while other requests wait.
MOST_RUNS: Final = 100


@dataclass(frozen=True)
class LaunchRequest:
    """What somebody asks for.

    Attributes:
        tables: names; None for all.
        formats: None for those that are configured.
        at: a moment, as for `run --at`; None for now.
        first: the first partition, as for `backfill --from`; None for what `run` takes.
        last: the last partition, included.
    """

    tables: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None
    at: str | None = None
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of a request.

    Attributes:
        job: the job of the tables' group.
        tables: names of the entries.
        assets: the paths of their asset keys.
        tags: the partition, the window or the moment that it stands for.
        windows: what it writes; for tables that are taken whole as of now, as if it were created now.
        run_id: empty until the request has its id.
    """

    job: str
    tables: tuple[str, ...]
    assets: tuple[tuple[str, ...], ...]
    tags: Mapping[str, str]
    windows: tuple[str, ...] = ()
    run_id: str = ""

    @property
    def partition(self) -> str | None:
        """The one partition of the run."""
        return self.tags.get(PARTITION_NAME_TAG)

    @property
    def first(self) -> str | None:
        """The first of several partitions."""
        return self.tags.get(ASSET_PARTITION_RANGE_START_TAG)

    @property
    def last(self) -> str | None:
        """The last of several partitions."""
        return self.tags.get(ASSET_PARTITION_RANGE_END_TAG)

    @property
    def keys(self) -> list[AssetKey]:
        """The assets, as Dagster names them."""
        return [AssetKey(list(path)) for path in self.assets]


@dataclass(frozen=True)
class Plan:
    """The runs of a request, and why tables are left out, by name."""

    runs: tuple[PlannedRun, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def with_ids(self, seed: UUID) -> Self:
        """Return the plan with an id for each run, which follows from `seed`."""
        named = (replace(run, run_id=str(uuid5(seed, str(ordinal)))) for ordinal, run in enumerate(self.runs))
        return replace(self, runs=tuple(named))

    def to_json(self) -> dict[str, Any]:
        """Return what is stored of the plan."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` has returned."""
        runs = (
            PlannedRun(
                run["job"],
                tuple(run["tables"]),
                tuple(map(tuple, run["assets"])),
                run["tags"],
                tuple(run["windows"]),
                run["run_id"],
            )
            for run in stored["runs"]
        )
        return cls(tuple(runs), stored["skipped"])


def plan(project: Project, request: LaunchRequest, now: datetime) -> Plan:
    """Return the runs that a request comes to.

    Raises:
        ConfigError: a table, format, moment or partition that there is not, or nothing to run.
        LaunchError: it would be too many runs.
    """
    formats = _formats(request.formats)
    usable, skipped = _usable_tables(project, request.tables)
    if request.first is None or request.last is None:
        found = _as_run_does(project, usable, request.at, now)
    else:
        if request.tables is None:
            skipped |= {each.entry.name: "it has no partitions" for each in usable if each.partitions is None}
            usable = [each for each in usable if each.partitions is not None]
        if not usable:
            raise ConfigError("partition: no table has partitions")
        names = [table.entry.name for table in usable]
        found = Launches(tuple(range_launches(groups_of(project), names, request.first, request.last)), ())
    if len(found.runs) > MOST_RUNS:
        raise LaunchError(
            f"This would be {len(found.runs):,} runs, and a request may make {MOST_RUNS}."
            f" {_fewer_runs(usable, request)}"
        )
    skipped |= {table.entry.name: no_partition_yet(table) for table in found.waiting}
    return Plan(tuple(_planned(project, launch, formats, now) for launch in found.runs), skipped)


def _fewer_runs(tables: Sequence[ConfiguredTable], request: LaunchRequest) -> str:
    """What to do about too many runs."""
    alone = sum(table.entry.runs == "per_table" for table in tables)
    why = f" {alone:,} of these tables are a run each, because of `runs: per_table`." if alone > 1 else ""
    if request.first is not None:
        return (
            "Ask for fewer partitions at a time, or fill them by the command aggregation-pipeline backfill, or by a"
            f" backfill in Dagster's UI.{why}"
        )
    return (
        f"Name at most {MOST_RUNS} at a time in `tables`, or compute them by the command aggregation-pipeline run.{why}"
        " `runs: per_tick` puts tables that take seconds into one run"
    )


def _usable_tables(project: Project, names: Sequence[str] | None) -> tuple[list[ConfiguredTable], dict[str, str]]:
    """Return the tables that can run, and why others cannot; one that is asked for by name has to."""
    placeholders = {each.entry.name: each.entry.issues for each in project.tables if each.entry.issues}
    broken = {**project.left_out, **placeholders}
    known = [table.entry.name for table in project.tables]
    chosen = known if names is None else select_names(names, dict.fromkeys([*known, *project.left_out]))
    if refused := [broken[name] for name in chosen if name in broken and names is not None]:
        raise ConfigError("\n".join(refused))
    wanted = set(chosen) - broken.keys()
    usable = [table for table in project.tables if table.entry.name in wanted]
    if not usable:
        raise ConfigError("\n".join(broken.values()) or "no table is configured")
    return usable, broken if names is None else {}


def _as_run_does(project: Project, tables: Sequence[ConfiguredTable], at: str | None, now: datetime) -> Launches:
    moment = None if at is None else _moment(at, project)
    found = launches(groups_of(project), [table.entry.name for table in tables], now=now, tick=moment)
    found.require_any()
    return found


def _moment(text: str, project: Project) -> datetime:
    try:
        moment = read_moment(text)
    except ValueError as error:
        raise ConfigError(f"at: {error}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=project.settings.zone)
    require_past(moment, where=f"at: {text}")
    return moment


def _formats(names: Sequence[str] | None) -> Sequence[str] | None:
    try:
        return None if names is None else parse_formats(",".join(names))
    except ValueError as error:
        raise ConfigError(f"formats: {error}") from None


def _planned(project: Project, launch: Launch, formats: Sequence[str] | None, now: datetime) -> PlannedRun:
    spec, first = launch.spec, launch.tables[0]
    tags = dict(spec.tags) if spec.partition is None else {PARTITION_NAME_TAG: spec.partition, **spec.tags}
    begin, end = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first.partitions is not None and begin is not None and end is not None:
        windows = keys_between(first.entry.name, first.partitions, begin, end)
    else:
        windows = [window.name for window in windows_of(first, spec, now)]
    assets = select_assets(project, launch.names, formats)
    return PlannedRun(
        launch.group.name, tuple(launch.names), tuple(tuple(key.path) for key in assets), tags, tuple(windows)
    )
