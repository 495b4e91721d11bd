"""From messages to a real web server: channels that are down, processes that are killed, two that deliver at once."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.channels import Channel
from aggregation_pipeline.alerts.delivery import Delivery
from aggregation_pipeline.alerts.messages import Message
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.alerts.outbox_steps import channel_of, hurry, incident, make_messages, rows
from aggregation_pipeline_tests.support.sink import Sink, new_sink


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
