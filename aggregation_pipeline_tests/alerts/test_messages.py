"""Messages in English and Chinese, and when they are sent."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.alerts.incidents import KINDS, Incident, IncidentDetails
from aggregation_pipeline.alerts.messages import _TEXTS, _TITLES, Message, MessageRenderer, fit
from aggregation_pipeline.alerts.send_times import plan_send_time, retry_pause, seconds_until_quiet_ends

AT = datetime(2026, 11, 20, 18, 5, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def incident(name: str = "users", **details: Any) -> Incident:
    return Incident(f"k:{name}", "run_failed", f"table {name}", AT, IncidentDetails(name=name, **details))


def test_an_english_message_says_what_whose_why_and_where_to_look():
    details: dict[str, Any] = {
        "owners": ("team:shop", "ada@example.com"),
        "error": "No such column",
        "run_id": "1a2b",
        "asset": "aggregation/users",
    }
    message = MessageRenderer("prod", "en", SHANGHAI, "https://dagster.example.com").message(
        "run_failed", [incident(**details, files="oss://b/users/2026-11-20/manifest.json")], "deadbeef"
    )
    assert message.title == "[prod] 1 failed: users"
    assert message.body.splitlines() == [
        "■ users (owner: team:shop, ada@example.com)",
        "  No such column",
        "  at: 2026-11-21 02:05 CST",
        "  run: https://dagster.example.com/runs/1a2b",
        "  asset: https://dagster.example.com/assets/aggregation/users",
        "  last good files: oss://b/users/2026-11-20/manifest.json",
        "",
        "message deadbeef; a second message with this number is the same one",
    ]


def test_a_chinese_message_says_the_same():
    message = MessageRenderer("生产", "zh", SHANGHAI).message(
        "run_failed", [incident("订单 明细", run_id="1a2b", error="没有这一列")], "deadbeef"
    )
    assert message.title == "[生产] 1 张表运行失败：订单 明细"
    assert message.body.splitlines()[:4] == [
        "■ 订单 明细（无负责人）",
        "  没有这一列",
        "  时间：2026-11-21 02:05 CST",
        "  运行：1a2b",
    ]


def test_both_languages_know_every_kind_and_every_word():
    assert set(_TITLES["en"]) == set(_TITLES["zh"]) == set(KINDS)
    assert set(_TEXTS["en"]) == set(_TEXTS["zh"])
    assert {f"was {kind}" for kind in KINDS if kind != "recovered"} <= set(_TEXTS["en"])


def test_many_incidents_are_listed_up_to_twenty_and_then_counted():
    message = MessageRenderer("prod", "en", SHANGHAI).message(
        "run_failed", [incident(f"t{number:02}") for number in range(50)], "n"
    )
    assert message.title == "[prod] 50 failed: t00, t01, t02, …"
    assert message.body.count("■") == 20
    assert "… and 30 more" in message.body


@pytest.mark.parametrize("longest", [60, 200, 1000])
def test_a_text_fits_whatever_a_channel_takes(longest: int):
    text = fit(Message("标题" * 10, "\n\n".join("块" * 30 for _ in range(30))), longest)
    assert len(text.encode()) <= longest


@pytest.mark.parametrize("minute", [0, 30])
def test_nothing_is_sent_around_the_full_and_the_half_hour(minute: int):
    chance = random.Random(1)
    for second in range(-120, 120):
        now = datetime(2026, 11, 20, 12, minute, tzinfo=UTC) + timedelta(seconds=second)
        planned = plan_send_time(now, chance)
        assert now <= planned <= now + timedelta(seconds=90)
        assert seconds_until_quiet_ends(planned) == 0


def test_messages_of_many_deployments_do_not_arrive_at_the_same_second():
    moments = {round(plan_send_time(AT, random.Random(seed)).timestamp(), 1) for seed in range(100)}
    assert len(moments) > 25


def test_pauses_grow_to_a_quarter_of_an_hour_and_never_end():
    chance = random.Random(1)
    assert 12 <= retry_pause(1, chance) <= 18
    assert 48 <= retry_pause(3, chance) <= 72
    assert all(720 <= retry_pause(attempts, chance) <= 1080 for attempts in (7, 20, 5000))
