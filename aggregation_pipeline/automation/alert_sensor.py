"""The sensor that alerts people: in one tick it detects incidents, writes them down, and delivers messages.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason

from aggregation_pipeline.alerts.channels import Channel, open_channels
from aggregation_pipeline.alerts.delivery import Delivery, DeliveryAttempt
from aggregation_pipeline.alerts.detection import Detection, Detector
from aggregation_pipeline.alerts.incidents import MonitoredTable
from aggregation_pipeline.alerts.messages import MessageRenderer
from aggregation_pipeline.alerts.monitored import MonitoredDefinitions
from aggregation_pipeline.alerts.outbox_table import ensure_tables
from aggregation_pipeline.automation.alert_dispatcher import AlertCursor, Dispatcher
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.settings.alerts import AlertSettings
from aggregation_pipeline.settings.base import Settings

INTERVAL_SECONDS: Final = 15
# A tick ends after this time whatever PostgreSQL does, because the daemon has other sensors to evaluate.
TICK_SECONDS = 18.0


@dataclass(frozen=True)
class _Tick:
    """What one tick did."""

    created_tables: bool
    attempt: DeliveryAttempt
    detection: Detection
    messages: int


def message_renderer(settings: Settings) -> MessageRenderer:
    """The renderer in the language and time zone of this deployment."""
    return MessageRenderer(settings.deployment_name, settings.alert_language, settings.zone, settings.dagster_ui_url)


def channels_of(settings: AlertSettings) -> tuple[Channel, ...]:
    """The channels of ALERT_URLS."""
    return open_channels([url.get_secret_value() for url in settings.alert_urls])


def build_alert_sensors(settings: Settings, tables: Mapping[str, MonitoredTable]) -> list[SensorDefinition]:
    """The sensor `alerts`, running from the start; none where ALERT_URLS is not set.

    `tables` says what is known of each table, by the segment of its asset key. Nothing connects before a tick.

    Raises:
        SettingsError: an entry of ALERT_URLS that apprise does not know.
    """
    channels = channels_of(settings)
    if not channels:
        return []
    engine = create_engine(settings.require_batch_jobs_url(), application_name="aggregation alerts")
    window = timedelta(seconds=settings.alert_window_seconds)
    dispatcher = Dispatcher(settings.deployment_name, channels, message_renderer(settings), window)
    delivery = Delivery(settings.deployment_name, channels, settings.alert_messages_per_minute)
    detector = Detector(settings.deployment_name, on_warn=settings.alert_on_warn, secrets=settings.secrets)

    def run_tick(context: SensorEvaluationContext, cursor: AlertCursor) -> _Tick:
        with _bounded_connection(engine) as connection:
            created = ensure_tables(connection)
            dispatcher.report_recovery(connection, cursor)
            attempt = delivery.deliver(connection)
            detection = detector.detect(
                context.instance,
                connection,
                monitored_definitions(context, tables),
                watermark=cursor.watermark,
                waiting=cursor.waiting,
            )
            return _Tick(created, attempt, detection, dispatcher.make_messages(connection))

    def evaluate(context: SensorEvaluationContext) -> SkipReason:
        cursor = AlertCursor.read(context.cursor)
        outage = None
        try:
            tick = run_tick(context, cursor)
        except AlertError as error:
            outage = str(error)
        if outage is not None:
            # The tick does not fail: nothing is lost, and the cursor has to keep since when the outbox is away.
            context.update_cursor(dispatcher.send_without_outbox(cursor, outage).write())
            context.log.error("%s", outage)
            return SkipReason(f"{outage}. Nothing is lost: alerts are derived again once it answers")
        context.update_cursor(AlertCursor(tick.detection.watermark, tick.detection.waiting).write())
        for channel, why in tick.attempt.refused.items():
            context.log.warning("%s did not take a message, it is tried again: %s", channel, why)
        return SkipReason(_summary(tick))

    return [
        SensorDefinition(
            name="alerts",
            evaluation_fn=evaluate,
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description="Tells people of failed runs and checks, late tables, failing sensors, and of their recovery.",
        )
    ]


def monitored_definitions(
    context: SensorEvaluationContext, tables: Mapping[str, MonitoredTable]
) -> MonitoredDefinitions:
    """The assets, checks and freshness policies of this code location, as they are now."""
    repository = context.repository_def
    graph = repository.asset_graph if repository is not None else None
    nodes = graph.asset_nodes if graph is not None else ()
    origin = context.code_location_origin
    return MonitoredDefinitions(
        checks=tuple(graph.asset_check_keys) if graph is not None else (),
        policies={node.key: policy for node in nodes if (policy := node.freshness_policy_or_from_metadata) is not None},
        owners={node.key: tuple(node.owners) for node in nodes},
        tables=tables,
        location=origin.location_name if origin is not None else None,
    )


@contextmanager
def _bounded_connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except sa.exc.SQLAlchemyError as error:
        raise AlertError(
            f"The database of batch_jobs and of alerts cannot be reached: {safe_reason(error)}. Check BATCH_JOBS_URL"
        ) from error
    with connection, deadline(connection, TICK_SECONDS):
        yield connection


def _summary(tick: _Tick) -> str:
    found, attempt = tick.detection, tick.attempt
    parts = [
        (
            f"{found.new} new incidents, {found.recovered} recovered; {tick.messages} messages made,"
            f" {attempt.delivered} delivered"
        )
    ]
    if tick.created_tables:
        parts.insert(0, "Tables of aggregation_alerts created")
    if attempt.refused:
        parts.append(f"{len(attempt.refused)} channels did not take theirs: see the log")
    if found.problems:
        unanswered = ", ".join(found.problems)
        parts.append(f"Dagster's storage did not answer everything ({unanswered}); it is asked again at the next tick")
    return "; ".join(parts)
