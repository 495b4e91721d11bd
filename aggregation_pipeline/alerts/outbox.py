"""The outbox: incidents and messages are stored before anybody is told.

Nothing is lost when a channel, this process or the machine goes down. Every function is one transaction. `now()` is
PostgreSQL's clock, which all processes share.
"""

import random
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.alerts.incidents import (
    KINDS,
    LASTING,
    Incident,
    IncidentDetails,
    Kind,
    OpenIncident,
    recovery,
)
from aggregation_pipeline.alerts.messages import MessageRenderer
from aggregation_pipeline.alerts.outbox_table import WAITING, deliveries, incidents, outbox_errors
from aggregation_pipeline.alerts.send_times import plan_send_time
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_transaction
from aggregation_pipeline.postgres.engine import transaction
from aggregation_pipeline.runs.batch_job_text import storable_json

# Rows are deleted after this time.
KEEP = timedelta(days=90)
# An incident that has not ended by then counts as forgotten.
_OPEN_FOR = timedelta(days=30)
_MAX_OPEN = 500


def add_incidents(connection: sa.Connection, deployment: str, found: Sequence[Incident]) -> int:
    """Store incidents, and return how many are new. Those that are stored already stay as they are."""
    new = 0
    with _locked(connection, deployment):
        open_now = connection.execute(_open(deployment).where(incidents.c.kind.in_(LASTING)))
        lasting = {row.subject for row in open_now}
        for incident in found:
            if incident.kind in LASTING:
                if incident.subject in lasting:
                    continue
                lasting.add(incident.subject)
            new += _insert(connection, deployment, incident)
    return new


def runs_with_incidents(connection: sa.Connection, deployment: str, run_ids: Collection[str]) -> set[str]:
    """Return those of the runs that have an incident."""
    if not run_ids:
        return set()
    run_id = incidents.c.details["run_id"].astext
    query = (
        sa.select(run_id)
        .where(incidents.c.deployment == deployment, incidents.c.kind == "run_failed", run_id.in_(run_ids))
        .distinct()
    )
    with outbox_errors(), transaction(connection):
        return {str(row[0]) for row in connection.execute(query)}


def open_incidents(connection: sa.Connection, deployment: str) -> list[OpenIncident]:
    """Return the incidents that are not over, the newest first."""
    with outbox_errors(), transaction(connection):
        return [
            OpenIncident(row.key, row.kind, row.subject, row.occurred_at, IncidentDetails.from_json(row.details))
            for row in connection.execute(_open(deployment))
        ]


def close_incidents(
    connection: sa.Connection, deployment: str, recovered: Sequence[tuple[OpenIncident, datetime]]
) -> int:
    """Close incidents that were over at the moment given, and return how many subjects recovered.

    A subject recovers once, however many open incidents it had.
    """
    subjects: set[tuple[Kind, str]] = set()
    with _locked(connection, deployment):
        for incident, at in sorted(recovered, key=lambda pair: pair[0].at, reverse=True):
            is_this_one = (incidents.c.deployment == deployment, incidents.c.key == incident.key)
            closed = connection.execute(
                sa.update(incidents).where(*is_this_one, incidents.c.recovered_at.is_(None)).values(recovered_at=at)
            ).rowcount
            if closed and (incident.kind, incident.subject) not in subjects:
                subjects.add((incident.kind, incident.subject))
                _insert(connection, deployment, recovery(incident, at))
    return len(subjects)


def make_messages(
    connection: sa.Connection,
    deployment: str,
    renderer: MessageRenderer,
    channels: Sequence[str],
    *,
    window: timedelta,
    chance: random.Random,
) -> int:
    """Make a message of all new incidents of a kind, once the first is `window` old; returns how many messages."""
    if not channels:
        return 0
    with _locked(connection, deployment):
        without_message = (incidents.c.deployment == deployment, incidents.c.message.is_(None))
        ripe = (
            sa.select(incidents.c.kind)
            .where(*without_message)
            .group_by(incidents.c.kind)
            .having(sa.func.min(incidents.c.found_at) <= sa.func.now() - window)
        )
        now = connection.execute(sa.select(sa.func.now())).scalar_one()
        kinds = sorted(connection.execute(ripe).scalars(), key=_position_of_kind)
        for kind in kinds:
            message = uuid.uuid4()
            taken = (
                sa.update(incidents)
                .where(*without_message, incidents.c.kind == kind)
                .values(message=message)
                .returning(incidents)
            )
            found = [
                Incident(row.key, row.kind, row.subject, row.occurred_at, IncidentDetails.from_json(row.details))
                for row in connection.execute(taken)
            ]
            text = renderer.message(kind, found, message.hex[:8])
            values = {"message": message, "deployment": deployment, "kind": kind, "incidents": len(found)}
            values |= {"title": text.title, "body": text.body}
            for channel in channels:
                due_at = plan_send_time(now, chance)
                connection.execute(sa.insert(deliveries).values(**values, channel=channel, due_at=due_at))
    return len(kinds)


def reassign_channels(connection: sa.Connection, deployment: str, channels: Sequence[str]) -> int:
    """Hand deliveries that wait for a channel that is no longer configured over to those that are; returns how many.

    A wrong token that is corrected is another channel.
    """
    if not channels:
        return 0
    with _locked(connection, deployment):
        removed = (
            sa.update(deliveries)
            .where(*WAITING, deliveries.c.deployment == deployment, deliveries.c.channel.not_in(channels))
            .values(moved_at=sa.func.now())
            .returning(deliveries)
        )
        moved = connection.execute(removed).all()
        for row in moved:
            kept = ("message", "deployment", "kind", "title", "body", "incidents", "created_at", "due_at")
            same = {name: getattr(row, name) for name in kept}
            values = [same | {"channel": channel} for channel in channels]
            connection.execute(postgresql.insert(deliveries).values(values).on_conflict_do_nothing())
    return len(moved)


def prune(connection: sa.Connection, deployment: str) -> None:
    """Delete old rows that are over and delivered. Messages that wait are kept, however old."""
    with _locked(connection, deployment):
        oldest = sa.func.now() - KEEP
        waiting = sa.select(deliveries.c.message).where(*WAITING)
        ended = sa.or_(incidents.c.recovered_at.is_not(None), incidents.c.kind != "table_late")
        for table, is_old in (
            (deliveries, deliveries.c.created_at < oldest),
            (incidents, sa.and_(incidents.c.found_at < oldest, ended)),
        ):
            is_delivered = table.c.message.is_not(None) & table.c.message.not_in(waiting)
            connection.execute(sa.delete(table).where(table.c.deployment == deployment, is_old, is_delivered))


def _insert(connection: sa.Connection, deployment: str, incident: Incident) -> int:
    values = {
        "deployment": deployment,
        "key": incident.key,
        "kind": incident.kind,
        "subject": incident.subject,
        "details": incident.details.to_json(),
    }
    row = {name: storable_json(value) for name, value in values.items()} | {"occurred_at": incident.at}
    return connection.execute(postgresql.insert(incidents).values(row).on_conflict_do_nothing()).rowcount


def _open(deployment: str) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(incidents)
        .where(
            incidents.c.deployment == deployment,
            incidents.c.recovered_at.is_(None),
            incidents.c.subject.is_not(None),
            incidents.c.occurred_at > sa.func.now() - _OPEN_FOR,
        )
        .order_by(incidents.c.occurred_at.desc())
        .limit(_MAX_OPEN)
    )


def _position_of_kind(kind: str) -> int:
    # A newer release may have stored a kind that this one does not know.
    return next((number for number, known in enumerate(KINDS) if known == kind), len(KINDS))


@contextmanager
def _locked(connection: sa.Connection, deployment: str) -> Iterator[None]:
    """A transaction that holds the lock of the deployment's outbox."""
    with outbox_errors(), transaction(connection):
        wait_in_transaction(connection, lock_key(AdvisoryLock.ALERT_OUTBOX, deployment))
        yield
