"""The terminal shows a bar for each dataset that is read, and the warnings of tables."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from aggregation_pipeline.local import console
from aggregation_pipeline.local.console import TerminalObserver


def test_each_dataset_of_a_table_has_one_bar():
    display = Progress(console=Console(file=io.StringIO()))
    observer = TerminalObserver(display)
    for done in (5, 10):
        observer.progress("orders", "detail", done, 10)
    observer.progress("orders", "summary", 3, None)
    assert [(task.description, task.completed, task.total) for task in display.tasks] == [
        ("orders detail", 10, 10),
        ("orders summary", 3, None),
    ]


def test_a_bar_says_which_shard_is_read():
    display = Progress(console=Console(file=io.StringIO()))
    observer = TerminalObserver(display)
    observer.at("orders", "orders_03, 4 of 16 shards")
    observer.progress("orders", "detail", 5, 10)
    assert display.tasks[0].description == "orders detail: orders_03, 4 of 16 shards"
    observer.at("orders", "")
    observer.progress("orders", "detail", 10, 10)
    assert [task.description for task in display.tasks] == ["orders detail"]


def test_a_warning_of_a_table_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=screen, width=200))
    TerminalObserver(Progress(console=Console(file=io.StringIO()))).warn("orders: [red] is no markup")
    assert screen.getvalue() == "warning orders: [red] is no markup\n"
