"""Parts of the supervisor. live/test_services.py and live/test_stopping.py test the whole."""

import os

from aggregation_pipeline.services import supervisor


def test_services_are_kept_and_stopped_though_the_terminal_is_closed():
    theirs, ours = os.pipe()
    os.close(theirs)
    heard: list[str] = []
    with os.fdopen(ours, "w") as terminal:

        def say(words: str) -> None:
            heard.append(words)
            os.write(terminal.fileno(), words.encode())

        supervisor._never_failing(say)("Stopping")
    assert heard == ["Stopping"]
