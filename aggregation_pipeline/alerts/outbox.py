"""What has to be told, written down before anybody is told: nothing is lost when a channel, this process or the machine
dies.

Every function is one transaction. `now()` is PostgreSQL's clock, the one clock that all processes share.
"""

import random
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from aggregation_pipeline.alerts.outbox_table import causes, deliveries
from aggregation_pipeline.alerts.send_times import plan_send_time
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_transaction
from aggregation_pipeline.postgres.engine import safe_reason, transaction
from aggregation_pipeline.runs.row_text import storable_json

# What was said longer ago is forgotten.
KEEP = timedelta(days=90)
# A cause that has not ended by then is not looked after any more.
_OPEN_FOR = timedelta(days=30)
_OPEN_AT_MOST = 500


def add_incidents(connection: sa.Connection, deployment: str, found: Sequence[Incident]) -> int:
    """Write causes down; those that are there already stay as they are. Returns how many are new."""
    new = 0
    with _locked(connection, deployment):
        lasting = {row.subject for row in connection.execute(_open(deployment).where(causes.c.kind.in_(LASTING)))}
        for cause in found:
            if cause.kind in LASTING and cause.subject in lasting:
                continue
            new += _insert(connection, deployment, cause)
            lasting |= {cause.subject} if cause.kind in LASTING else set()
    return new


def runs_with_incidents(connection: sa.Connection, deployment: str, run_ids: Collection[str]) -> set[str]:
    """Those of the runs of which something is written down as failed."""
    if not run_ids:
        return set()
    run_id = causes.c.facts["run_id"].astext
    query = (
        sa.select(run_id)
        .where(causes.c.deployment == deployment, causes.c.kind == "run_failed", run_id.in_(run_ids))
        .distinct()
    )
    with _translated(), transaction(connection):
        return {str(row[0]) for row in connection.execute(query)}


def open_incidents(connection: sa.Connection, deployment: str) -> list[OpenIncident]:
    """What is broken as far as anybody was told, the newest first."""
    with _translated(), transaction(connection):
        return [
            OpenIncident(row.key, row.kind, row.subject, row.occurred_at, IncidentDetails.from_json(row.facts))
            for row in connection.execute(_open(deployment))
        ]


def close_incidents(
    connection: sa.Connection, deployment: str, healthy: Sequence[tuple[OpenIncident, datetime]]
) -> int:
    """Close causes that are over since the moment given. One message a subject, however many causes it had. Returns how
    many subjects.
    """
    said: set[tuple[Kind, str]] = set()
    with _locked(connection, deployment):
        for cause, at in sorted(healthy, key=lambda pair: pair[0].at, reverse=True):
            closed = connection.execute(
                sa.update(causes)
                .where(causes.c.deployment == deployment, causes.c.key == cause.key, causes.c.recovered_at.is_(None))
                .values(recovered_at=at)
            ).rowcount
            if closed and (cause.kind, cause.subject) not in said:
                said.add((cause.kind, cause.subject))
                _insert(connection, deployment, recovery(cause, at))
    return len(said)


def make_messages(
    connection: sa.Connection,
    deployment: str,
    voice: MessageRenderer,
    channels: Sequence[str],
    *,
    window: timedelta,
    chance: random.Random,
) -> int:
    """Make one message a kind out of what was found, once the first of it is `window` old. Returns how many
    messages.
    """
    made = 0
    if not channels:
        return made
    with _locked(connection, deployment):
        unsaid = (causes.c.deployment == deployment, causes.c.message.is_(None))
        ripe = (
            sa.select(causes.c.kind)
            .where(*unsaid)
            .group_by(causes.c.kind)
            .having(sa.func.min(causes.c.found_at) <= sa.func.now() - window)
        )
        now = connection.execute(sa.select(sa.func.now())).scalar_one()
        for kind in sorted(connection.execute(ripe).scalars(), key=_order):
            message = uuid.uuid4()
            taken = sa.update(causes).where(*unsaid, causes.c.kind == kind).values(message=message).returning(causes)
            found = [
                Incident(row.key, row.kind, row.subject, row.occurred_at, IncidentDetails.from_json(row.facts))
                for row in connection.execute(taken)
            ]
            text = voice.message(kind, found, message.hex[:8])
            for channel in channels:
                values = {
                    "title": text.title,
                    "body": text.body,
                    "kind": kind,
                    "causes": len(found),
                    "due_at": plan_send_time(now, chance),
                }
                connection.execute(
                    sa.insert(deliveries).values(message=message, channel=channel, deployment=deployment, **values)
                )
            made += 1
    return made


def reassign_channels(connection: sa.Connection, deployment: str, channels: Sequence[str]) -> int:
    """Hand what waits for a channel that is no longer configured to those that are: a wrong token, put right, is
    another channel.
    """
    if not channels:
        return 0
    with _locked(connection, deployment):
        waiting = (
            deliveries.c.delivered_at.is_(None),
            deliveries.c.moved_at.is_(None),
            deliveries.c.deployment == deployment,
        )
        gone = (
            sa.update(deliveries)
            .where(*waiting, deliveries.c.channel.not_in(channels))
            .values(moved_at=sa.func.now())
            .returning(deliveries)
        )
        moved = connection.execute(gone).all()
        for row in moved:
            same = {
                name: getattr(row, name)
                for name in ("message", "deployment", "kind", "title", "body", "causes", "sealed_at")
            }
            values = [same | {"channel": channel, "due_at": row.due_at} for channel in channels]
            connection.execute(postgresql.insert(deliveries).values(values).on_conflict_do_nothing())
    return len(moved)


def prune(connection: sa.Connection, deployment: str) -> None:
    """Forget what was said and ended long ago. What still waits is kept, however old."""
    with _locked(connection, deployment):
        old = sa.func.now() - KEEP
        waits = sa.select(deliveries.c.message).where(
            deliveries.c.delivered_at.is_(None), deliveries.c.moved_at.is_(None)
        )
        ended = sa.or_(causes.c.recovered_at.is_not(None), causes.c.kind != "table_late")
        for table, condition in (
            (deliveries, deliveries.c.sealed_at < old),
            (causes, sa.and_(causes.c.found_at < old, ended)),
        ):
            said = table.c.message.is_not(None) & table.c.message.not_in(waits)
            connection.execute(sa.delete(table).where(table.c.deployment == deployment, condition, said))


def _insert(connection: sa.Connection, deployment: str, cause: Incident) -> int:
    values = {"key": cause.key, "kind": cause.kind, "subject": cause.subject, "occurred_at": cause.at}
    row: Mapping[str, object] = {"deployment": deployment, "facts": cause.details.to_json(), **values}
    cleaned = {name: storable_json(value) if isinstance(value, (str, dict)) else value for name, value in row.items()}
    return connection.execute(postgresql.insert(causes).values(cleaned).on_conflict_do_nothing()).rowcount


def _open(deployment: str) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(causes)
        .where(causes.c.deployment == deployment, causes.c.recovered_at.is_(None), causes.c.subject.is_not(None))
        .where(causes.c.occurred_at > sa.func.now() - _OPEN_FOR)
        .order_by(causes.c.occurred_at.desc())
        .limit(_OPEN_AT_MOST)
    )


def _order(kind: str) -> int:
    return next((number for number, known_kind in enumerate(KINDS) if known_kind == kind), len(KINDS))


@contextmanager
def _locked(connection: sa.Connection, deployment: str) -> Iterator[None]:
    """A transaction that no other process has of this deployment at the same time."""
    with _translated(), transaction(connection):
        wait_in_transaction(connection, lock_key(AdvisoryLock.ALERT_OUTBOX, deployment))
        yield


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise AlertError(
            f"The outbox of alerts does not take or give its rows: {safe_reason(error)}. Check BATCH_JOBS_URL and its grants"
        ) from error
