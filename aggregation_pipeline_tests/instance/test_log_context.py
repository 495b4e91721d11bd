"""Which run, table and window a line belongs to, whichever thread logs it."""

import json
import logging
import threading

from aggregation_pipeline.instance.log_context import Work, current_work, working_on
from aggregation_pipeline.instance.log_handlers import JsonLines


def test_a_thread_without_work_of_its_own_works_for_the_only_table_at_work():
    seen: list[Work] = []

    def look() -> None:
        seen.append(current_work())

    def in_thread() -> Work:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return seen.pop()

    with working_on("run", "orders"):
        with working_on("run", "orders", "2026-11-20"):
            assert in_thread() == Work("run", "orders", "2026-11-20")
        assert current_work() == Work("run", "orders")
    assert in_thread() == Work()


def test_two_tables_at_work_do_not_take_each_others_lines():
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with working_on("other run", "users"):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(60)
    seen: list[Work] = []
    with working_on("run", "orders"):
        third = threading.Thread(target=lambda: seen.append(current_work()))
        third.start()
        third.join()
        assert current_work() == Work("run", "orders")
    leave.set()
    thread.join()
    assert seen == [Work()]


def test_a_line_outside_of_runs_has_no_such_fields():
    line = json.loads(JsonLines().format(logging.LogRecord("x", logging.INFO, "x", 1, "hello", (), None)))
    assert line.keys() == {"time", "level", "logger", "message"}
