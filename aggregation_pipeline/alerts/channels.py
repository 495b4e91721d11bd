"""Where messages go: four robots by ourselves, everything else through apprise."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aggregation_pipeline.alerts.chat_robots import find_robot
from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.messages import Message, fit
from aggregation_pipeline.errors import AlertError, SettingsError
from aggregation_pipeline.settings.alerts import secret_pieces

if TYPE_CHECKING:
    from apprise import NotifyBase

_LONGEST: Final = 15_000
# Both print addresses with their tokens: apprise at DEBUG and where a URL is wrong, urllib3 at DEBUG.
_TALKATIVE: Final = ("apprise", "urllib3.connectionpool")


@dataclass(frozen=True, repr=False)
class Channel:
    """One entry of ALERT_URLS. `name` is safe to show: its scheme, and eight digits of the URL's hash to tell two of
    them apart.
    """

    name: str
    _send: Callable[[Message], None]
    _secrets: tuple[str, ...]

    def send(self, message: Message) -> None:
        """Deliver a message. Raises AlertError, with a reason that gives nothing away, unless the channel took it."""
        try:
            self._send(message)
        except AlertError as error:
            raise AlertError(one_line(str(error), self._secrets)) from None
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the message waits; its words may hold the address
            raise AlertError(f"{self.name.partition(':')[0]} failed with {type(error).__name__}") from None


def open_channels(urls: Sequence[str]) -> tuple[Channel, ...]:
    """Read ALERT_URLS. Nothing is sent, nothing is resolved.

    Raises:
        SettingsError: an entry that nobody understands, by its number: where the scheme should be, a token may stand.
    """
    channels, mistakes = [], []
    for number, url in enumerate(urls, 1):
        scheme = url.partition("://")[0].lower()
        try:
            name = f"{scheme}:{hashlib.sha256(url.encode()).hexdigest()[:8]}"
            channels.append(Channel(name, _sender(url), secret_pieces(url)))
        except AlertError as error:
            mistakes.append(f"entry {number}: {error}")
    if mistakes:
        raise SettingsError(
            f"ALERT_URLS cannot be used: {'; '.join(mistakes)}. Write dingtalk://SECRET@TOKEN, feishu://SECRET@TOKEN,"
            " wecombot://KEY, a robot's address as copied, or any URL of apprise, with blanks or commas between"
            " several"
        )
    return tuple({channel.name: channel for channel in channels}.values())


def _sender(url: str) -> Callable[[Message], None]:
    robot = find_robot(url)
    if robot is not None:
        return lambda message: robot.send(fit(message, robot.longest))
    service = _service(url)

    def send(message: Message) -> None:
        with _overheard() as lines:
            body = fit(Message(message.title, message.body), _LONGEST).removeprefix(message.title).lstrip("\n")
            taken = service.notify(body=body, title=message.title, notify_type="warning", body_format="text")
        if not taken:
            raise AlertError(lines[-1] if lines else "the channel did not take the message and gave no reason")

    return send


def _service(url: str) -> "NotifyBase":
    # A tenth of a second, and half a second more for its plugins: only for those who need it.
    from apprise import Apprise, AppriseAsset, exception  # noqa: PLC0415

    # Nothing is kept on disk: tokens of channels are secrets.
    asset = AppriseAsset(
        app_id="aggregation-pipeline", app_desc="aggregation-pipeline", async_mode=False, storage_mode="memory"
    )
    with _overheard():
        try:
            service = Apprise.instantiate(url, asset=asset, suppress_exceptions=False)
        except (exception.AppriseException, TypeError, ValueError):
            # Its words repeat the token.
            raise AlertError(
                f"something is missing or malformed in this URL of {url.partition('://')[0].lower()}"
            ) from None
    if service is None:
        raise AlertError("apprise knows no channel of that form, or not its scheme")
    return service


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Keep apprise's and urllib3's lines out of every log, and collect what they say at WARNING and above."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    listener = Listener(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    before: list[Any] = [(logger.propagate, logger.handlers, logger.level) for logger in loggers]
    for logger in loggers:
        logger.propagate, logger.handlers = False, [listener]
        logger.setLevel(logging.WARNING)
    try:
        yield lines
    finally:
        for logger, (propagate, handlers, level) in zip(loggers, before, strict=True):
            logger.propagate, logger.handlers = propagate, handlers
            logger.setLevel(level)
