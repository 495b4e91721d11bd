"""The tables whose runs are mirrored, and the platforms that they belong to."""

from aggregation_pipeline_tests.support.runs import FakeTable

PLATFORMS = {"baidu": "baidu", "weibo": "weibo", "orders": "shop"}
BAIDU, WEIBO = FakeTable("baidu", 30), FakeTable("weibo", 12)
