"""Every line of a run says which run, table and window it belongs to, whoever logs it."""

import json
import logging
from collections.abc import Iterator

import pytest

from aggregation_pipeline.instance.log_handlers import JsonLines
from aggregation_pipeline_tests.support.shop import DAYS, ORDERS, Shop, execute_job, partition_range

STRANGE = ORDERS.replace("orders:", "'订单 日报':\n        table: orders", 1)


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def lines(shop: Shop, monkeypatch) -> Iterator[Lines]:
    handler = Lines()
    original = shop.instance.get_handlers
    monkeypatch.setattr(shop.instance, "get_handlers", lambda: [*original(), handler])
    core = logging.getLogger("aggregation_pipeline")
    level = core.level
    core.addHandler(handler)
    core.setLevel(logging.DEBUG)
    yield handler
    core.removeHandler(handler)
    core.setLevel(level)


def test_all_lines_of_a_step_say_run_table_and_window(shop: Shop, lines: Lines):
    shop.execute("UPDATE orders SET status = 'late' WHERE created_at >= '2026-11-02' AND created_at < '2026-11-03'")
    result = execute_job(shop, STRANGE, tags=partition_range(DAYS[0], DAYS[1]))
    assert result.success
    # Loading the definitions, before there is a run, belongs to none.
    of_run = [line for line in lines.lines if "run_id" in line]
    assert {line["run_id"] for line in of_run} == {result.run_id}
    of_step = [line for line in of_run if "step" in line or line["logger"].startswith("aggregation_pipeline")]
    assert {line["table"] for line in of_step if line.get("step") != "__resources"} == {"订单 日报"}
    # Steps of a window that come too soon after each other are logged by our own logger.
    core = [line for line in of_step if line["logger"].startswith("aggregation_pipeline.")]
    assert {line.get("window") for line in core} >= set(DAYS[:2])
    published = [line["window"] for line in of_run if "Materialized" in line["message"]]
    assert set(published) == set(DAYS[:2])
