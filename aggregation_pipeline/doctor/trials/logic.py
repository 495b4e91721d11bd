"""The logic of batch_jobs without a database: an invented run of the configured tables, and the row at each stage."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from aggregation_pipeline.batch_jobs.projection import INTEGER_MAX, project
from aggregation_pipeline.batch_jobs.writer import column_values
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.model import BatchJobRow, Event, Failed, Finished, Owner, Planned, RunInfo, Started
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.source.findings import Finding, failure, ok, warning

_BEGAN: Final = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
_ITEMS: Final = 1_000
# By segment of the asset key, the platform. Those of the queries in sql/.
_SAMPLES: Final = MappingProxyType({"baidu": "baidu", "weibo": "weibo"})
_PLANTED: Final = "an-invented-password"
_REPORT: Final = "This is a mistake of the program, not of your configuration: report it with this line"


@dataclass(frozen=True)
class InventedRun:
    """A run that nobody started, of tables by segment and platform."""

    platforms: Mapping[str, str]
    run_id: str
    began: datetime = _BEGAN
    secrets: Sequence[str] = (_PLANTED,)

    def row(self, status: str, events: Sequence[Event]) -> BatchJobRow:
        """Return its row when Dagster says `status`."""
        ended = self.began + timedelta(minutes=1) if status in {"SUCCESS", "FAILURE"} else None
        info = RunInfo(
            self.run_id,
            "aggregate",
            status,
            created_at=self.began,
            updated_at=ended or self.began,
            started_at=None if status == "QUEUED" else self.began + timedelta(seconds=1),
            completed_at=ended,
        )
        owner = Owner("test", "test")
        return project(
            info, events, owner=owner, job_type="data_collection", platforms=self.platforms, secrets=self.secrets
        )

    def events(self, *, items: int = _ITEMS, failing: str | None = None) -> list[Event]:
        """Return what happens in it: all is planned, then each table in turn works; that of `failing` fails."""
        segments = list(self.platforms)
        events: list[Event] = [Planned(number, segment) for number, segment in enumerate(segments, 1)]
        for segment in segments:
            number = len(events) + 1
            events.append(Started(number, segment))
            if segment == failing:
                words = f"an invented failure, of mysql://reader:{_PLANTED}@db:3306"
                events.append(Failed(number + 1, self.began, f"aggregate_{segment}", segment, words))
            else:
                platform = self.platforms[segment]
                events.append(Finished(number + 1, segment, None, items, segment, platform, "2026-11-20"))
        return events


def try_logic() -> Iterator[Finding]:
    """Let an invented run go through all stages, and look at its row at each. Nothing is opened."""
    platforms, finding = _configured_platforms()
    yield finding
    run = InventedRun(platforms, str(uuid4()))
    for name, check in _CHECKS.items():
        try:
            yield ok(name, check(run))
        except _WrongError as wrong:
            yield failure(name, str(wrong), _REPORT)


def _configured_platforms() -> tuple[Mapping[str, str], Finding]:
    try:
        platforms = load_project(load_settings()).platforms
    except PipelineError as error:
        return _SAMPLES, warning(
            "tables", f"baidu and weibo are taken, because the configuration cannot be used: {error}", ""
        )
    if not platforms:
        return _SAMPLES, warning("tables", "baidu and weibo are taken, because no table is configured", "")
    names = ", ".join(dict.fromkeys(platforms.values()))
    return platforms, ok("tables", f"an invented run of the configured platforms: {names}")


class _WrongError(Exception):
    """A row that is not what it has to be."""


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise _WrongError(f"{what} is {found!r}, and {expected!r} was expected")


def _created(run: InventedRun) -> str:
    row = run.row("QUEUED", _planned(run))
    _expect("status", row.status, "pending")
    _expect("started_at", row.started_at, None)
    _expect("metadata.planned", row.metadata["planned"], _platforms(run))
    _expect("total_items", row.total_items, 0)
    return f"a queued run is pending, with {len(_platforms(run))} planned platforms"


def _updated(run: InventedRun) -> str:
    events = run.events()
    counts = []
    for upto in range(len(run.platforms), len(events) + 1):
        row = run.row("STARTED", events[:upto])
        _expect("status", row.status, "in_progress")
        counts.append((len(row.platforms_processed), row.total_items))
    _expect("progress", counts, sorted(counts))
    _expect("platforms_processed at the end", counts[-1][0], len(_platforms(run)))
    return f"while it works it is in_progress, and grows in {len(set(counts))} steps"


def _completed(run: InventedRun) -> str:
    row = run.row("SUCCESS", run.events())
    _expect("status", row.status, "completed")
    _expect("platforms_processed", sorted(row.platforms_processed), sorted(_platforms(run)))
    _expect("total_items", row.total_items, _ITEMS * len(run.platforms))
    for platform in _platforms(run):
        tables = [each for each in run.platforms.values() if each == platform]
        _expect(f"metadata.{platform}_items", row.metadata[f"{platform}_items"], _ITEMS * len(tables))
    _expect("metadata.summary.success_rate", row.metadata["summary"]["success_rate"], 1.0)
    _expect("metadata.timing.run_seconds", row.metadata["timing"]["run_seconds"], 59.0)
    return f"a success is completed, with {row.total_items:,} items, and <platform>_items of each"


def _failed(run: InventedRun) -> str:
    segment, platform = next(iter(run.platforms.items()))
    row = run.row("FAILURE", run.events(failing=segment))
    _expect("status", row.status, "failed")
    _expect("platforms_processed", sorted({*row.platforms_processed, platform}), sorted(_platforms(run)))
    _expect("the number of platforms_processed", len(row.platforms_processed), len(_platforms(run)) - 1)
    (error,) = row.metadata["errors"]
    _expect("the platform of the error", error["platform"], platform)
    _expect("the number of secrets in it", json.dumps(row.metadata).count(_PLANTED), 0)
    return f"a failure of {platform} is failed, names it, and shows no password"


def _in_any_order(run: InventedRun) -> str:
    events = run.events()
    row = run.row("SUCCESS", events)
    again = run.row("SUCCESS", [*reversed(events), *events])
    _expect("the row", again, row)
    return "events that come twice, or late, give the same row"


def _only_newer(run: InventedRun) -> str:
    events, planned = run.events(), _planned(run)
    stages = [run.row("QUEUED", planned), *(run.row("STARTED", events[:n]) for n in range(len(planned), len(events)))]
    versions = [row.metadata["dagster"]["version"] for row in [*stages, run.row("SUCCESS", events)]]
    _expect("the order of versions", versions, sorted(versions))
    return "each stage has a higher version, so that no row goes back"


def _storable(run: InventedRun) -> str:
    events = run.events(items=INTEGER_MAX)
    values = column_values(run.row("SUCCESS", events))
    json.dumps(values["metadata"], allow_nan=False)
    _expect("total_items", values["total_items"], INTEGER_MAX)
    return "it fits into the columns, also with more items than INTEGER holds"


def _planned(run: InventedRun) -> list[Event]:
    return run.events()[: len(run.platforms)]


def _platforms(run: InventedRun) -> list[str]:
    return list(dict.fromkeys(run.platforms.values()))


_CHECKS: Final[Mapping[str, Callable[[InventedRun], str]]] = {
    "create": _created,
    "update": _updated,
    "complete": _completed,
    "fail": _failed,
    "repeat": _in_any_order,
    "versions": _only_newer,
    "columns": _storable,
}
