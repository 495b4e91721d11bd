"""The events of a run, sorted by table and by platform."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aggregation_pipeline.runs.model import Event, Failed, Finished, Planned, Started


@dataclass
class TableEvents:
    """What the events of a run say of one table.

    Attributes:
        planned: partitions that the run plans; {None} for a table without partitions.
        windows: by partition, the last event that says that it is published.
        failure: the last failure of the table's op.
        configured_name: name of the entry; None where it has left the configuration.
    """

    planned: set[str | None] = field(default_factory=set)
    windows: dict[str | None, Finished] = field(default_factory=dict)
    started: bool = False
    failure: Failed | None = None
    configured_name: str | None = None

    @property
    def name(self) -> str | None:
        """The name that the last files were published under, else that of the entry."""
        return max(self.windows.values(), key=lambda window: window.id).table if self.windows else self.configured_name

    def status(self, run_status: str) -> str:
        """How far the table is, in a run with this status of Dagster's."""
        if self.failure:
            return "failed"
        if self.windows and self.planned <= self.windows.keys():
            return "completed"
        if run_status in {"SUCCESS", "FAILURE", "CANCELED"}:
            # The table has no failure of its own: the process was killed, or the run cancelled, before it was done.
            return "failed" if self.started and run_status != "SUCCESS" else "skipped"
        return "in_progress" if self.started or self.windows else "pending"


# Platform -> key segment of the table -> its events.
PlatformEvents = Mapping[str, Mapping[str, TableEvents]]


def events_by_platform(
    events: Iterable[Event], platforms: Mapping[str, str], names: Mapping[str, str]
) -> PlatformEvents:
    """Sort events by platform and table, in the order of the configuration.

    `platforms` maps key segments of tables to their platforms, `names` to the names of their entries.
    """
    found: dict[str, dict[str, TableEvents]] = {}
    for segment, table in _by_table(events, platforms).items():
        table.configured_name = names.get(segment)
        found.setdefault(_platform(segment, table, platforms), {})[segment] = table
    return found


def windows_of(by_platform: PlatformEvents) -> list[Finished]:
    """Return every published window of the run, once."""
    return [window for tables in by_platform.values() for table in tables.values() for window in table.windows.values()]


def _by_table(events: Iterable[Event], platforms: Mapping[str, str]) -> dict[str, TableEvents]:
    tables: dict[str, TableEvents] = {}
    for event in events:
        match event:
            case Planned():
                tables.setdefault(event.segment, TableEvents()).planned.update(event.partitions)
            case Started():
                tables.setdefault(event.segment, TableEvents()).started = True
            case Finished():
                # A window counts once, however often it was published: the last event says what stands in the files.
                tables.setdefault(event.segment, TableEvents()).windows[event.partition] = event
            case Failed(segment=str(segment)):
                tables.setdefault(segment, TableEvents()).failure = event
    order = {segment: position for position, segment in enumerate(platforms)}
    return dict(sorted(tables.items(), key=lambda item: order.get(item[0], len(order))))


def _platform(segment: str, table: TableEvents, platforms: Mapping[str, str]) -> str:
    published = [window.platform for window in table.windows.values() if window.platform]
    return platforms.get(segment) or (published[-1] if published else segment)
