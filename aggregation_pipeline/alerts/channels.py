"""The channels of ALERT_URLS: four group robots are called directly, everything else through apprise."""

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

_MAX_BYTES: Final = 15_000
# Both log addresses with their tokens: apprise at DEBUG and for a wrong URL, urllib3 at DEBUG.
_LOGGERS: Final = ("apprise", "urllib3.connectionpool")


@dataclass(frozen=True, repr=False)
class Channel:
    """One entry of ALERT_URLS. `name` holds no secret: the scheme, and eight digits of the URL's hash."""

    name: str
    _send: Callable[[Message], None]
    _secrets: tuple[str, ...]

    def send(self, message: Message) -> None:
        """Send a message. Raises AlertError, with a reason that holds no secret, unless the channel accepts it."""
        try:
            self._send(message)
        except AlertError as error:
            raise AlertError(one_line(str(error), self._secrets)) from None
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; its text may hold the address
            raise AlertError(f"{self.name.partition(':')[0]} failed with {type(error).__name__}") from None


def open_channels(urls: Sequence[str]) -> tuple[Channel, ...]:
    """Read ALERT_URLS. Nothing is sent, and no name is resolved.

    Raises:
        SettingsError: an entry cannot be read. It is named by its number: a token may stand where the scheme should.
    """
    channels, problems = [], []
    for number, url in enumerate(urls, 1):
        scheme = url.partition("://")[0].lower()
        try:
            name = f"{scheme}:{hashlib.sha256(url.encode()).hexdigest()[:8]}"
            channels.append(Channel(name, _sender(url), secret_pieces(url)))
        except AlertError as error:
            problems.append(f"entry {number}: {error}")
    if problems:
        raise SettingsError(
            f"ALERT_URLS cannot be used: {'; '.join(problems)}. Write dingtalk://SECRET@TOKEN, feishu://SECRET@TOKEN,"
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
        with _captured_logs() as lines:
            body = fit(Message(message.title, message.body), _MAX_BYTES).removeprefix(message.title).lstrip("\n")
            accepted = service.notify(body=body, title=message.title, notify_type="warning", body_format="text")
        if not accepted:
            raise AlertError(lines[-1] if lines else "the channel did not accept the message, and gave no reason")

    return send


def _service(url: str) -> "NotifyBase":
    # The import takes a tenth of a second, and its plugins half a second more: only where a channel needs it.
    from apprise import Apprise, AppriseAsset, exception

    # In memory only: tokens of channels are secrets, and must not lie on disk.
    asset = AppriseAsset(
        app_id="aggregation-pipeline", app_desc="aggregation-pipeline", async_mode=False, storage_mode="memory"
    )
    with _captured_logs():
        try:
            service = Apprise.instantiate(url, asset=asset, suppress_exceptions=False)
        except (exception.AppriseException, TypeError, ValueError):
            # The error's text repeats the token.
            raise AlertError(
                f"something is missing or malformed in this URL of {url.partition('://')[0].lower()}"
            ) from None
    if service is None:
        raise AlertError("apprise does not know this scheme, or this form of the URL")
    return service


@contextmanager
def _captured_logs() -> Iterator[list[str]]:
    """Keep the lines of apprise and urllib3 out of all logs, and collect those at WARNING and above."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    listener = Listener(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
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
