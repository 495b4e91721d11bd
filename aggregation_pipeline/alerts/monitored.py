"""What alerts watch, and what every detector returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dagster import AssetCheckKey, AssetKey, DagsterInstance, FreshnessPolicy

from aggregation_pipeline.alerts.chat_text import safe_address
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails, MonitoredTable, OpenIncident
from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path
from aggregation_pipeline.runs.event_log import segment_of_asset
from aggregation_pipeline.runs.tags import URI_KEY

# When an open incident was over; None while it is not.
RecoveredAt = Callable[[OpenIncident], datetime | None]


@dataclass
class Detected:
    """Incidents that a detector found. Most are in the outbox already, which knows them by their keys."""

    incidents: list[Incident] = field(default_factory=list)


@dataclass
class DetectedConditions(Detected):
    """Incidents of one kind, and the function that tells when an open one of this kind was over."""

    recovered_at: RecoveredAt = lambda _incident: None


@dataclass(frozen=True)
class MonitoredDefinitions:
    """The definitions of this code location that alerts watch.

    Attributes:
        policies: freshness policies by asset.
        tables: by key segment, what the configuration says of a table.
        location: name of the code location; None watches the sensors of all locations.
    """

    checks: tuple[AssetCheckKey, ...]
    policies: Mapping[AssetKey, FreshnessPolicy]
    owners: Mapping[AssetKey, tuple[str, ...]]
    tables: Mapping[str, MonitoredTable]
    location: str | None = None

    def segment(self, key: AssetKey) -> str | None:
        """Return the key segment of the table that an asset belongs to; None for any other asset."""
        return segment_of_asset(key, self.tables)

    def details(
        self, instance: DagsterInstance, key: AssetKey, secrets: Sequence[str], **more: str | None
    ) -> IncidentDetails:
        """Return what a message says of an asset: of its table, where it belongs to one."""
        segment = self.segment(key)
        unknown = MonitoredTable(segment or key.to_user_string(), self.owners.get(key, ()))
        table = self.tables.get(segment or "", unknown)
        files = last_good_files(instance, segment, secrets) if segment else None
        return IncidentDetails(name=table.name, owners=table.owners, asset="/".join(key.path), files=files, **more)


def last_good_files(instance: DagsterInstance, segment: str, secrets: Sequence[str]) -> str | None:
    """Return the address of the manifest that a table published last."""
    event = instance.get_latest_materialization_event(AssetKey(export_path(segment, MANIFEST)))
    materialization = event.asset_materialization if event else None
    uri = materialization.metadata.get(URI_KEY) if materialization else None
    return safe_address(str(uri.value), secrets) if uri and uri.value else None
