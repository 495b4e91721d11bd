"""What strangers bring about fills no log."""

import logging
import time

import pytest

from aggregation_pipeline.web.common.quiet_log import OnceAMinute


def test_the_same_words_are_logged_once_a_minute_and_every_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    log, now = logging.getLogger("strangers"), time.monotonic()
    quiet = OnceAMinute()
    log.addFilter(quiet)
    try:
        for moment in (now, now + 59, now + 61):
            monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
            for number in (1, 2):
                log.warning("Invalid request %s", number)
            log.error("It broke", exc_info=ValueError("x"))
            log.error("Invalid UTF-8 sequence received from client.", exc_info=ValueError("x"))
    finally:
        log.removeFilter(quiet)
    first = ["Invalid request 1", "Invalid request 2", "It broke", "Invalid UTF-8 sequence received from client."]
    assert [record.getMessage() for record in caplog.records] == [*first, "It broke", *first]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["It broke"] * 3
