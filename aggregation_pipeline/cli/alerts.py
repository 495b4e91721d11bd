"""`alerts test`: does a message reach people?"""

import sys

import click

from aggregation_pipeline.cli import common


@click.group(short_help="Check the channels for alerts.")
def alerts() -> None:
    """Check the channels that tell people what went wrong: DingTalk, Feishu, WeCom, Slack, e-mail, webhooks.

    \b
    ALERT_URLS=dingtalk://SECRET@TOKEN aggregation-pipeline alerts test
    """


@alerts.command(short_help="Send a test message to each channel.")
@common.explained
def test() -> None:
    """Send a test message to each channel of ALERT_URLS, and show which channels took it.

    Exit code 0 only if all of them did. A channel is shown by its scheme and a hash, because its address is a secret.

    \b
    ALERT_URLS=dingtalk://SECRET@TOKEN aggregation-pipeline alerts test
    """
    from aggregation_pipeline.automation.alert_sensor import channels_of, message_renderer
    from aggregation_pipeline.errors import AlertError, SettingsError
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    channels = channels_of(settings)
    if not channels:
        raise SettingsError(
            "ALERT_URLS is not set, so nobody is told anything. Set it to one or more addresses, separated by blanks or"
            " commas: dingtalk://SECRET@TOKEN, feishu://SECRET@TOKEN, wecombot://KEY, or any URL of apprise"
        )
    failed = 0
    for channel in channels:
        try:
            channel.send(message_renderer(settings).test())
        except AlertError as error:
            failed += 1
            click.echo(f"{channel.name}: NOT delivered: {error}")
        else:
            click.echo(f"{channel.name}: delivered")
    sys.exit(1 if failed else 0)
