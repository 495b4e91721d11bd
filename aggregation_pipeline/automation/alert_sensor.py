"""The sensor that tells people what went wrong: it looks, writes down, and delivers, in one tick.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.channels import Channel, open_channels
from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.delivery import Delivery
from aggregation_pipeline.alerts.detection import Detection, Detector, first_watermark
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails, MonitoredTable
from aggregation_pipeline.alerts.messages import MessageRenderer
from aggregation_pipeline.alerts.monitored import MonitoredDefinitions
from aggregation_pipeline.alerts.outbox_table import ensure_tables
from aggregation_pipeline.alerts.send_times import seconds_until_quiet_ends
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.settings.alerts import AlertSettings
from aggregation_pipeline.settings.base import Settings

INTERVAL_SECONDS = 15
# Whatever PostgreSQL does, a tick is over after this: the daemon evaluates other sensors too.
TICK_SECONDS = 18.0
# An outbox that is away for so long is itself something to tell.
_OUTBOX_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True)
class Memory:
    """What the sensor keeps from tick to tick, in its cursor: in Dagster's storage, so it outlives the outbox's.

    Attributes:
        down_since: the outbox has not answered since then.
        told: channels that were told so.
    """

    watermark: datetime
    waiting: Sequence[str] = ()
    down_since: datetime | None = None
    told: Sequence[str] = field(default=())

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        """The cursor of the last tick; the first look goes back an hour."""
        if not cursor:
            return cls(first_watermark(datetime.now(UTC)))
        read = json.loads(cursor)
        down = read.get("down_since")
        return cls(
            datetime.fromisoformat(read["watermark"]),
            read.get("waiting", ()),
            datetime.fromisoformat(down) if down else None,
            read.get("told", ()),
        )

    def write(self) -> str:
        """As a cursor."""
        down = {"down_since": self.down_since.isoformat(), "told": list(self.told)} if self.down_since else {}
        return json.dumps({"watermark": self.watermark.isoformat(), "waiting": list(self.waiting)} | down)


def message_renderer(settings: Settings) -> MessageRenderer:
    """How this deployment words its messages."""
    return MessageRenderer(settings.deployment_name, settings.alert_language, settings.zone, settings.dagster_ui_url)


def build_alert_sensors(settings: Settings, tables: Mapping[str, MonitoredTable]) -> list[SensorDefinition]:
    """The sensor `alerts`, running from the start; none where ALERT_URLS is not set.

    `tables` says what is known of each table, by the segment of its asset key. Nothing connects before a tick. Raises
    SettingsError for an entry of ALERT_URLS that nobody understands.
    """
    channels = channels_of(settings)
    if not channels:
        return []
    engine = create_engine(settings.require_batch_jobs_url(), application_name="aggregation alerts")
    desk = Dispatcher(
        settings.deployment_name, channels, message_renderer(settings), timedelta(seconds=settings.alert_window_seconds)
    )
    courier = Delivery(desk.deployment, channels, settings.alert_messages_per_minute)
    surveyor = Detector(desk.deployment, on_warn=settings.alert_on_warn, secrets=settings.secrets)

    def tell(context: SensorEvaluationContext) -> SkipReason:
        memory = Memory.read(context.cursor)
        try:
            with _bounded(engine) as connection:
                created = ensure_tables(connection)
                if memory.down_since is not None:
                    outbox.add_incidents(connection, desk.deployment, [_back(memory.down_since)] if memory.told else [])
                sent = courier.deliver(connection)
                seen = surveyor.detect(
                    context.instance,
                    connection,
                    monitored_definitions(context, tables),
                    watermark=memory.watermark,
                    waiting=memory.waiting,
                )
                sealed = desk.seal(connection)
        except AlertError as error:
            # Nothing was forgotten, and the cursor has to remember since when: so the tick does not fail.
            after = desk.without_outbox(memory, str(error))
            context.update_cursor(after.write())
            # No traceback: what counts stands in the words.
            context.log.error("%s", error)  # noqa: TRY400
            return SkipReason(f"{error}. Nothing is lost: alerts are derived anew once it answers")
        context.update_cursor(Memory(seen.watermark, seen.waiting).write())
        for channel, why in sent.refused.items():
            context.log.warning("%s did not take a message, it is tried again: %s", channel, why)
        return SkipReason(_summary(seen, sent.delivered, sealed, len(sent.refused), created=created))

    return [
        SensorDefinition(
            name="alerts",
            evaluation_fn=tell,
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description="Tells people of failed runs and checks, late tables, failing sensors, and of their recovery.",
        )
    ]


def channels_of(settings: AlertSettings) -> tuple[Channel, ...]:
    """The channels of ALERT_URLS."""
    return open_channels([url.get_secret_value() for url in settings.alert_urls])


def monitored_definitions(
    context: SensorEvaluationContext, tables: Mapping[str, MonitoredTable]
) -> MonitoredDefinitions:
    """What this code location holds at the moment."""
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


@dataclass
class Dispatcher:
    """Where causes become messages, and where to turn when the outbox itself is away."""

    deployment: str
    channels: Sequence[Channel]
    voice: MessageRenderer
    window: timedelta
    chance: random.Random = field(default_factory=random.SystemRandom)

    def seal(self, connection: sa.Connection) -> int:
        """Make messages of what is ripe, hand over what waits for channels that are gone, forget what is old."""
        names = [channel.name for channel in self.channels]
        outbox.reassign_channels(connection, self.deployment, names)
        outbox.prune(connection, self.deployment)
        return outbox.make_messages(
            connection, self.deployment, self.voice, names, window=self.window, chance=self.chance
        )

    def without_outbox(self, memory: Memory, error: str) -> Memory:
        """Tell each channel once, past the outbox, that it is away and with it the mirror; whom nothing reaches is told
        at a later tick.
        """
        now = datetime.now(UTC)
        since, told = memory.down_since or now, list(memory.told)
        if now - since >= _OUTBOX_PATIENCE and not seconds_until_quiet_ends(now):
            cause = Incident(
                "", "sensor_failing", None, since, IncidentDetails(name="batch_jobs", error=one_line(error))
            )
            message = self.voice.message("sensor_failing", [cause], f"{int(since.timestamp()):x}"[-8:])
            for channel in self.channels:
                if channel.name not in told:
                    try:
                        channel.send(message)
                    except AlertError:
                        continue
                    told.append(channel.name)
        return Memory(memory.watermark, memory.waiting, since, told)


def _back(since: datetime) -> Incident:
    facts = IncidentDetails(name="batch_jobs", was="sensor_failing")
    return Incident(f"recovered:outbox:{since.isoformat()}", "recovered", None, datetime.now(UTC), facts)


@contextmanager
def _bounded(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except sa.exc.SQLAlchemyError as error:
        raise AlertError(
            f"The database of batch_jobs and of alerts cannot be reached: {safe_reason(error)}. Check BATCH_JOBS_URL"
        ) from error
    with connection, deadline(connection, TICK_SECONDS):
        yield connection


def _summary(seen: Detection, delivered: int, sealed: int, refused: int, *, created: bool) -> str:
    parts = [f"{seen.new} new incidents, {seen.recovered} recovered; {sealed} messages made, {delivered} delivered"]
    if created:
        parts.insert(0, "Tables of aggregation_alerts created")
    if refused:
        parts.append(f"{refused} channels did not take theirs: see the log")
    if seen.problems:
        parts.append(f"Dagster's storage did not answer everything ({', '.join(seen.problems)}); asked again next time")
    return "; ".join(parts)
