"""From incidents to delivered messages, on real PostgreSQL, into a real web server."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.channels import Channel, open_channels
from aggregation_pipeline.alerts.delivery import Delivery
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails
from aggregation_pipeline.alerts.messages import Message, MessageRenderer
from aggregation_pipeline.alerts.outbox_table import create_sql, ensure_tables
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.sink import Sink, new_sink

NOW = datetime.now(UTC)
RENDERER = MessageRenderer("prod", "en", ZoneInfo("Asia/Shanghai"))
SQL = REPOSITORY / "sql" / "alerts"


def incident(
    key: str, kind: Any = "run_failed", subject: str | None = None, at: datetime = NOW, **details: Any
) -> Incident:
    return Incident(f"{kind}:{key}", kind, subject or f"table {key}", at, IncidentDetails(name=key, **details))


def make_messages(connection: sa.Connection, channels: Sequence[str], window: float = 0.0) -> int:
    made = outbox.make_messages(
        connection, "prod", RENDERER, channels, window=timedelta(seconds=window), chance=random.Random(1)
    )
    hurry(connection)
    return made


def hurry(connection: sa.Connection) -> None:
    """Let the pauses be over: tests do not sleep."""
    with connection.begin():
        connection.execute(sa.text("UPDATE aggregation_alerts.deliveries SET due_at = now() - interval '1 second'"))


def rows(connection: sa.Connection) -> list[Any]:
    with connection.begin():
        return list(
            connection.execute(sa.text("SELECT * FROM aggregation_alerts.deliveries ORDER BY sealed_at, channel"))
        )


def channel_of(sink: Sink) -> Channel:
    return open_channels([sink.webhook])[0]


def test_the_sql_that_the_package_carries_is_the_one_in_sql():
    assert create_sql() == (SQL / "create_alert_tables.sql").read_text(encoding="utf-8")


def test_the_tables_are_created_once_in_a_schema_of_their_own_and_then_left_alone(postgres: Any):
    engine = create_engine(postgres.fresh_database(), application_name="aggregation test")
    assert (ensure_tables(engine), ensure_tables(engine)) == (True, False)
    with engine.begin() as connection:
        schemas = connection.execute(
            sa.text("SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'causes'")
        )
        assert schemas.scalars().all() == ["aggregation_alerts"]
        assert list(connection.execute(sa.text((SQL / "undelivered_alerts.sql").read_text()))) == []


def test_an_outbox_that_is_away_is_named_with_the_remedy():
    with pytest.raises(AlertError, match="Check BATCH_JOBS_URL"):
        ensure_tables(create_engine("postgresql://a:b@127.0.0.1:1/x", application_name="aggregation test"))


def test_fifty_failures_in_a_minute_make_one_message(connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    for number in range(50):
        outbox.add_incidents(
            connection, "prod", [incident(f"t{number:02}", owners=("team:shop",), error="no such column")]
        )
        assert make_messages(connection, [channel.name], window=60) == 0
    assert make_messages(connection, [channel.name]) == 1
    assert Delivery("prod", [channel]).deliver(connection).delivered == 1
    (request,) = sink.received
    assert request.body["title"] == "[prod] 50 failed: t00, t01, t02, …"
    assert "team:shop" in request.body["message"]
    assert Delivery("prod", [channel]).deliver(connection).delivered == 0
    assert len(sink.received) == 1


def test_an_incident_that_is_detected_again_makes_no_second_message(connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    for expected in (1, 0, 0):
        assert outbox.add_incidents(connection, "prod", [incident("users")]) == expected
        assert make_messages(connection, [channel.name]) == expected
        Delivery("prod", [channel]).deliver(connection)
    assert len(sink.received) == 1


def test_a_failing_sensor_is_one_incident_until_it_recovers_and_a_new_one_afterwards(connection: sa.Connection):
    def failing(tick: int) -> Incident:
        return incident(f"tick {tick}", "sensor_failing", "sensor mirror")

    assert [outbox.add_incidents(connection, "prod", [failing(tick)]) for tick in range(3)] == [1, 0, 0]
    assert (
        outbox.close_incidents(
            connection, "prod", [(found, NOW) for found in outbox.open_incidents(connection, "prod")]
        )
        == 1
    )
    assert outbox.add_incidents(connection, "prod", [failing(4)]) == 1


def test_a_table_that_failed_three_times_recovers_once(connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    failures = [
        incident(f"run {number}", subject="table users", at=NOW + timedelta(seconds=number)) for number in range(3)
    ]
    outbox.add_incidents(connection, "prod", failures)
    open_now = outbox.open_incidents(connection, "prod")
    assert outbox.close_incidents(connection, "prod", [(found, NOW) for found in open_now]) == 1
    assert outbox.close_incidents(connection, "prod", [(found, NOW) for found in open_now]) == 0
    assert make_messages(connection, [channel.name]) == 2
    Delivery("prod", [channel]).deliver(connection)
    assert sorted(request.body["title"].split()[2] for request in sink.received) == ["failed:", "recovered:"]


def test_a_channel_that_is_down_delays_a_message_and_does_not_lose_it(connection: sa.Connection):
    sink = new_sink()
    channel, courier = channel_of(sink), Delivery("prod", [channel_of(sink)])
    outbox.add_incidents(connection, "prod", [incident("users")])
    make_messages(connection, [channel.name])
    for attempts in (1, 2, 3):
        assert list(courier.deliver(connection).refused) == [channel.name]
        assert courier.deliver(connection).refused == {}, "it has rest until its pause is over"
        (row,) = rows(connection)
        assert (row.attempts, row.delivered_at) == (attempts, None)
        assert "very-secret" not in str(row)
        hurry(connection)
    with sink.serving():
        sink.answer = (503, {})
        assert courier.deliver(connection).delivered == 0
        sink.answer = (200, {})
        hurry(connection)
        assert [courier.deliver(connection).delivered for _ in range(2)] == [1, 0]
    assert len(sink.received) == 1
    assert rows(connection)[0].delivered_at is not None


def test_one_channel_that_is_down_does_not_hold_up_the_other(connection: sa.Connection, sink: Sink):
    dead, alive = channel_of(new_sink()), channel_of(sink)
    outbox.add_incidents(connection, "prod", [incident("users")])
    make_messages(connection, [dead.name, alive.name])
    done = Delivery("prod", [dead, alive]).deliver(connection)
    assert (done.delivered, list(done.refused)) == (1, [dead.name])


def test_what_waits_for_a_channel_that_was_replaced_goes_to_the_new_one_once(connection: sa.Connection, sink: Sink):
    dead, new = channel_of(new_sink()), channel_of(sink)
    outbox.add_incidents(connection, "prod", [incident("users")])
    make_messages(connection, [dead.name])
    Delivery("prod", [dead]).deliver(connection)
    assert outbox.reassign_channels(connection, "prod", [new.name]) == 1
    assert outbox.reassign_channels(connection, "prod", [new.name]) == 0
    hurry(connection)
    Delivery("prod", [new]).deliver(connection)
    assert len(sink.received) == 1


def test_no_channel_gets_more_than_its_share_in_a_minute(connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    for number in range(7):
        outbox.add_incidents(connection, "prod", [incident(f"t{number}")])
        make_messages(connection, [channel.name])
    assert [Delivery("prod", [channel], per_minute=4).deliver(connection, budget=60).delivered for _ in range(2)] == [
        4,
        0,
    ]
    with connection.begin():
        connection.execute(
            sa.text("UPDATE aggregation_alerts.deliveries SET attempted_at = attempted_at - interval '61 seconds'")
        )
    assert Delivery("prod", [channel], per_minute=4).deliver(connection, budget=60).delivered == 3


def test_two_processes_that_deliver_at_once_send_once(outbox_url: str, connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    for number in range(3):
        outbox.add_incidents(connection, "prod", [incident(f"t{number}")])
        make_messages(connection, [channel.name])
    sink.delay = 0.2
    start = threading.Barrier(4)

    def work() -> None:
        with create_engine(outbox_url, application_name="aggregation test").connect() as own:
            start.wait(10)
            for _ in range(3):
                Delivery("prod", [channel]).deliver(own)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    Delivery("prod", [channel]).deliver(connection)
    assert sorted(request.body["title"] for request in sink.received) == [
        f"[prod] 1 failed: t{number}" for number in range(3)
    ]


KILLED = """
import os, signal, sys
from aggregation_pipeline.alerts.channels import Channel, open_channels
from aggregation_pipeline.alerts.delivery import Delivery
from aggregation_pipeline.postgres.engine import create_engine
(channel,) = open_channels([sys.argv[2]])
def send_and_die(message):
    channel.send(message)
    os.kill(os.getpid(), signal.SIGKILL)
with create_engine(sys.argv[1], application_name="aggregation test").connect() as connection:
    Delivery("prod", [Channel(channel.name, send_and_die, ())]).deliver(connection)
"""


def test_a_kill_between_sending_and_recording_repeats_the_message_with_its_number_and_loses_nothing(
    outbox_url: str, connection: sa.Connection, sink: Sink
):
    outbox.add_incidents(connection, "prod", [incident("users")])
    make_messages(connection, [channel_of(sink).name])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, outbox_url, sink.webhook], env=os.environ, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(sink.received) == 1
    assert rows(connection)[0].delivered_at is None
    # PostgreSQL notices the death of the session, and frees its lock, in its own time.
    courier = Delivery("prod", [channel_of(sink)])
    assert any(courier.deliver(connection).delivered for _ in range(200))
    first, second = sink.received
    assert first.body["message"] == second.body["message"]


def test_a_message_that_was_sent_but_not_recorded_is_recorded_later_without_sending_again(
    outbox_url: str, connection: sa.Connection, sink: Sink
):
    channel = channel_of(sink)
    outbox.add_incidents(connection, "prod", [incident("users")])
    make_messages(connection, [channel.name])
    engine = create_engine(outbox_url, application_name="aggregation test")
    courier = Delivery("prod", [])
    with engine.connect() as doomed:
        pid = doomed.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        doomed.rollback()

        def send_and_cut(message: Message) -> None:
            channel.send(message)
            with connection.begin():
                connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

        courier.channels = [Channel(channel.name, send_and_cut, ())]
        with pytest.raises(AlertError, match="cannot be read or written"):
            courier.deliver(doomed)
    assert rows(connection)[0].delivered_at is None
    assert any(courier.deliver(connection).delivered for _ in range(200))
    assert len(sink.received) == 1


def test_hostile_texts_are_stored_and_delivered(connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    hostile = "NUL \x00 surrogate \ud800 %s {} {0} ${jndi} '; DROP TABLE causes; -- " + "x" * 5000
    outbox.add_incidents(
        connection, "prod", [incident(hostile, error=hostile, owners=(hostile,), run_id=hostile, asset=hostile)]
    )
    assert make_messages(connection, [channel.name]) == 1
    assert Delivery("prod", [channel]).deliver(connection).delivered == 1
    assert "DROP TABLE causes" in sink.received[0].body["message"]


def test_old_messages_are_deleted_but_never_one_that_waits(connection: sa.Connection, sink: Sink):
    alive, dead = channel_of(sink), channel_of(new_sink())
    for channel in (alive, dead):
        outbox.add_incidents(connection, "prod", [incident(channel.name)])
        make_messages(connection, [channel.name])
        Delivery("prod", [channel]).deliver(connection)
    with connection.begin():
        for column, table in (("sealed_at", "deliveries"), ("found_at", "causes")):
            connection.execute(
                sa.text(f"UPDATE aggregation_alerts.{table} SET {column} = {column} - interval '91 days'")
            )
    outbox.prune(connection, "prod")
    assert [row.channel for row in rows(connection)] == [dead.name]
    assert [found.details.name for found in outbox.open_incidents(connection, "prod")] == [dead.name]
