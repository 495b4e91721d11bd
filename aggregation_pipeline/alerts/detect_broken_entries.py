"""Detects entries of aggregation.yaml that cannot be used."""

from collections.abc import Sequence
from datetime import datetime

from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails
from aggregation_pipeline.alerts.monitored import DetectedConditions, MonitoredDefinitions
from aggregation_pipeline.runs.asset_keys import table_path


def detect_broken_entries(monitored: MonitoredDefinitions, secrets: Sequence[str], now: datetime) -> DetectedConditions:
    """Detect entries that cannot be used. Each is one incident, until it can be used or is gone."""
    broken = {f"entry {segment}": (segment, table) for segment, table in monitored.tables.items() if table.issues}
    incidents = []
    for subject, (segment, table) in broken.items():
        error = one_line((table.issues or "").replace("\n", " "), secrets)
        details = IncidentDetails(table.name, table.owners, error, asset="/".join(table_path(segment)))
        incidents.append(Incident(f"entry_broken:{segment}:{now.isoformat()}", "entry_broken", subject, now, details))
    return DetectedConditions(incidents, lambda incident: None if incident.subject in broken else now)
