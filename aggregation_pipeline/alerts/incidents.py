"""Incidents: what people have to be told of. Plain values without Dagster and without a database."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

Kind = Literal["run_failed", "check_failed", "table_late", "entry_broken", "sensor_failing", "recovered"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# A subject has at most one open incident of these kinds: detected again, it is not a new one.
LASTING: Final = frozenset({"sensor_failing", "entry_broken"})


@dataclass(frozen=True)
class IncidentDetails:
    """What a message says of an incident; the outbox keeps it as JSON.

    All texts are cleaned: no secret, no value of a cell.

    Attributes:
        name: name for people: the table's true name, the sensor's name.
        error: one line.
        asset: path of the asset to link to, such as `aggregation/users`.
        files: address of the last good manifest.
        check: name of the check.
        deadline: the deadline that was missed, as an ISO instant.
        was: kind of the incident that is over.
    """

    name: str
    owners: tuple[str, ...] = ()
    error: str | None = None
    run_id: str | None = None
    asset: str | None = None
    files: str | None = None
    check: str | None = None
    partition: str | None = None
    deadline: str | None = None
    was: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the attributes that are set."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "IncidentDetails":
        """Read stored details, without attributes that only a newer release knows."""
        known = {name: item for name, item in value.items() if name in cls.__dataclass_fields__}
        return cls(**known | {"owners": tuple(known.get("owners", ()))})


@dataclass(frozen=True)
class Incident:
    """One thing that somebody has to be told of.

    Attributes:
        key: identifies the incident, whoever detects it and however often.
        subject: what is broken until it recovers, such as `table users`; None where nothing can recover.
        at: when it happened, by Dagster's clock.
    """

    key: str
    kind: Kind
    subject: str | None
    at: datetime
    details: IncidentDetails


@dataclass(frozen=True)
class OpenIncident:
    """An incident that is in the outbox and not over."""

    key: str
    kind: Kind
    subject: str
    at: datetime
    details: IncidentDetails


@dataclass(frozen=True)
class MonitoredTable:
    """What the configuration says of a table. `issues` is why its entry cannot be used."""

    name: str
    owners: tuple[str, ...] = ()
    issues: str | None = None


def recovery(incident: OpenIncident, at: datetime) -> Incident:
    """Return the incident that says that another one is over."""
    details = IncidentDetails(
        name=incident.details.name,
        owners=incident.details.owners,
        asset=incident.details.asset,
        check=incident.details.check,
        partition=incident.details.partition,
        files=incident.details.files,
        was=incident.kind,
    )
    return Incident(f"recovered:{incident.key}", "recovered", None, at, details)
