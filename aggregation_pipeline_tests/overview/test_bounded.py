"""A server that does not answer holds a few threads, and nobody who asks."""

import threading

import pytest
from sqlalchemy.exc import OperationalError

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.overview.bounded import Bounded
from aggregation_pipeline_tests.support.waiting import until


def test_who_asks_is_told_and_when_too_many_wait_at_once():
    ask, answers, asked = Bounded(0.05, most=2), threading.Event(), []

    def hang() -> str:
        asked.append(1)
        answers.wait(60)
        return "late"

    for _ in range(2):
        with pytest.raises(SettingsError, match="nothing within"):
            ask(hang)
    with pytest.raises(SettingsError, match="others wait for it"):
        ask(hang)
    assert len(asked) == 2
    answers.set()

    def is_free() -> bool:
        try:
            return ask(lambda: "now") == "now"
        except SettingsError:
            return False

    until("the threads to be free again", is_free, 60)


def test_answers_and_errors_are_those_of_the_question():
    ask = Bounded(60)
    assert ask(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        ask(int, "x")

    def refuse() -> None:
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    for _ in range(20):
        with pytest.raises(SettingsError, match="does not answer"):
            ask(refuse)
