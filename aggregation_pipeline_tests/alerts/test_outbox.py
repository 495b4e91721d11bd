"""From incidents to messages, on real PostgreSQL: what makes one, what closes it, what is deleted."""

from datetime import timedelta

import sqlalchemy as sa

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.delivery import Delivery
from aggregation_pipeline.alerts.incidents import Incident
from aggregation_pipeline_tests.alerts.outbox_steps import NOW, channel_of, hurry, incident, make_messages, rows
from aggregation_pipeline_tests.support.sink import Sink, new_sink


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


def test_hostile_texts_are_stored_and_delivered(connection: sa.Connection, sink: Sink):
    channel = channel_of(sink)
    hostile = "NUL \x00 surrogate \ud800 %s {} {0} ${jndi} '; DROP TABLE incidents; -- " + "x" * 5000
    outbox.add_incidents(
        connection, "prod", [incident(hostile, error=hostile, owners=(hostile,), run_id=hostile, asset=hostile)]
    )
    assert make_messages(connection, [channel.name]) == 1
    assert Delivery("prod", [channel]).deliver(connection).delivered == 1
    assert "DROP TABLE incidents" in sink.received[0].body["message"]


def test_old_messages_are_deleted_but_never_one_that_waits(connection: sa.Connection, sink: Sink):
    alive, dead = channel_of(sink), channel_of(new_sink())
    for channel in (alive, dead):
        outbox.add_incidents(connection, "prod", [incident(channel.name)])
        make_messages(connection, [channel.name])
        Delivery("prod", [channel]).deliver(connection)
    with connection.begin():
        for column, table in (("created_at", "deliveries"), ("found_at", "incidents")):
            connection.execute(
                sa.text(f"UPDATE aggregation_alerts.{table} SET {column} = {column} - interval '91 days'")
            )
    outbox.prune(connection, "prod")
    assert [row.channel for row in rows(connection)] == [dead.name]
    assert [found.details.name for found in outbox.open_incidents(connection, "prod")] == [dead.name]
