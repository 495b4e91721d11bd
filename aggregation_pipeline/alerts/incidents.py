"""Why somebody has to be told: plain values, of which Dagster and the database know nothing."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

Kind = Literal["run_failed", "check_failed", "table_late", "entry_broken", "sensor_failing", "recovered"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# Of these there is one at a time: it lasts until it is over, however often it is seen again.
LASTING: Final = frozenset({"sensor_failing", "entry_broken"})


@dataclass(frozen=True)
class IncidentDetails:
    """What a message says of a cause; kept as JSON in the outbox. No cell's value, no secret, nothing that was not
    cleaned.

    Attributes:
        name: what people call it: the table's true name, the sensor's name.
        error: one line.
        asset: path of the asset to link to, such as `aggregation/users`.
        files: where the last good manifest lies.
        check: name of the check.
        deadline: ISO instant that passed.
        was: the kind that it recovered from.
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
        """The attributes that are set."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "IncidentDetails":
        """The same again; what a newer release may have added is left out."""
        known = {name: item for name, item in value.items() if name in cls.__dataclass_fields__}
        return cls(**known | {"owners": tuple(known.get("owners", ()))})


@dataclass(frozen=True)
class Incident:
    """One thing to tell.

    Attributes:
        key: the same for the same cause, whoever finds it and however often.
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
    """A cause that was told, or will be, and whose end was not."""

    key: str
    kind: Kind
    subject: str
    at: datetime
    details: IncidentDetails


@dataclass(frozen=True)
class MonitoredTable:
    """What the configuration knows of a table; `issues` are why its entry cannot be used."""

    name: str
    owners: tuple[str, ...] = ()
    issues: str | None = None


def recovery(cause: OpenIncident, at: datetime) -> Incident:
    """What to say when it is over."""
    facts = IncidentDetails(
        name=cause.details.name,
        owners=cause.details.owners,
        asset=cause.details.asset,
        check=cause.details.check,
        partition=cause.details.partition,
        files=cause.details.files,
        was=cause.kind,
    )
    return Incident(f"recovered:{cause.key}", "recovered", None, at, facts)
