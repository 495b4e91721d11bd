"""The channels by which people are told what went wrong."""

from collections.abc import Iterator

from aggregation_pipeline.automation.alert_sensor import channels_of, message_renderer
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.source.findings import Finding, failure, ok, warning


def examine_alerts(case: Case) -> Iterator[Finding]:
    """Look at the channels; with `send`, send a test message to each."""
    channels = channels_of(case.settings)
    if not channels:
        yield warning(
            "channels", "ALERT_URLS is not set, so nobody is told of failures", "Set it: docs/alerts.md lists addresses"
        )
        return
    for channel in channels:
        if not case.send:
            yield ok(channel.name, "configured; `check --send` sends it a test message")
            continue
        try:
            channel.send(message_renderer(case.settings).test())
        except AlertError as error:
            yield failure(
                channel.name, f"it did not take the test message: {error}", "Correct its address in ALERT_URLS"
            )
        else:
            yield ok(channel.name, "it took a test message")
