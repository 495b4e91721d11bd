"""The four group robots: signatures, answers, and secret addresses. OpenSSL checks the signatures too."""

import base64
import subprocess
import time
from typing import Any
from urllib.parse import unquote

import pytest

from aggregation_pipeline.alerts import chat_robots
from aggregation_pipeline.alerts.channels import open_channels
from aggregation_pipeline.alerts.chat_robots import dingtalk_sign, feishu_sign, find_robot
from aggregation_pipeline.alerts.messages import Message
from aggregation_pipeline.errors import AlertError, SettingsError
from aggregation_pipeline_tests.support.sink import Sink

HELLO = Message("[prod] 1 failed: users", "■ users\n\nmessage 1")


@pytest.fixture
def services(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sink:
    monkeypatch.setattr(chat_robots, "ENDPOINTS", {name: f"{sink.url}/{name}" for name in chat_robots.ENDPOINTS})
    return sink


def openssl_hmac(key: str, text: str) -> str:
    """HMAC-SHA256 in Base64 by a program that shares nothing with Python's hmac module or with apprise."""
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.encode().hex()}", "-binary"]
    return base64.b64encode(
        subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    ).decode()


def test_dingtalk_gets_the_signature_of_time_and_secret_encoded_once(services: Sink):
    (channel,) = open_channels(["dingtalk://SECabcDEF123@tokenABC"])
    channel.send(HELLO)
    (request,) = services.received
    assert request.query["access_token"] == "tokenABC"
    # parse_qsl decoded it once, as the service does: what is left must be plain Base64.
    assert request.query["sign"] == openssl_hmac("SECabcDEF123", f"{request.query['timestamp']}\nSECabcDEF123")
    assert unquote(request.query["sign"]) == request.query["sign"]
    assert abs(int(request.query["timestamp"]) / 1000 - time.time()) < 60
    assert request.body["text"]["content"] == f"{HELLO.title}\n\n{HELLO.body}"


@pytest.mark.parametrize("service", ["feishu", "lark"])
def test_feishu_and_lark_get_the_signature_of_an_empty_text_keyed_with_time_and_secret(services: Sink, service: str):
    (channel,) = open_channels([f"{service}://hook-123?secret=s3cret/+x"])
    # A plus sign in a query means a blank.
    channel.send(HELLO)
    (request,) = services.received
    assert request.path == f"/{service}/hook-123"
    assert request.body["sign"] == openssl_hmac(f"{request.body['timestamp']}\ns3cret/ x", "")
    assert request.body["content"]["text"].startswith(HELLO.title)


def test_signatures_are_the_documented_ones():
    # Worked out with: printf '%s\n%s' TIME SECRET | openssl dgst -sha256 -hmac ... -binary | base64
    assert dingtalk_sign("this is secret", 1700000000000) == openssl_hmac(
        "this is secret", "1700000000000\nthis is secret"
    )
    assert feishu_sign("demo", 1599360473) == openssl_hmac("1599360473\ndemo", "")


@pytest.mark.parametrize(
    ("url", "service", "token", "secret"),
    [
        ("dingtalk://tok", "dingtalk", "tok", None),
        ("dingtalk://Sec@Tok/", "dingtalk", "Tok", "Sec"),
        ("https://oapi.dingtalk.com/robot/send?access_token=abc&secret=SEC1", "dingtalk", "abc", "SEC1"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/a-b-c", "feishu", "a-b-c", None),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/a-b-c?secret=x", "lark", "a-b-c", "x"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=K-1", "wecombot", "K-1", None),
        ("wecombot://K-1", "wecombot", "K-1", None),
    ],
)
def test_a_robot_is_found_in_short_form_or_by_its_address_as_copied(
    url: str, service: str, token: str, secret: str | None
):
    robot = find_robot(url)
    assert robot is not None
    assert (robot.service, robot.token, robot.secret) == (service, token, secret)


@pytest.mark.parametrize(
    ("url", "answer", "words"),
    [
        (
            "dingtalk://tok",
            (200, {"errcode": 310000, "errmsg": "sign not match"}),
            "refuses the message: sign not match .code 310000",
        ),
        ("feishu://tok", (200, {"code": 11232, "msg": "frequency limited"}), "frequency limited .code 11232"),
        (
            "wecombot://tok",
            (200, {"errcode": 93000, "errmsg": "invalid webhook url"}),
            "invalid webhook url .code 93000",
        ),
        ("wecombot://tok", (200, {"hello": 1}), "no reason given .code missing"),
        ("lark://tok", (200, b"<html>"), "does not answer with JSON"),
        ("dingtalk://tok", (502, {}), "answers with status 502"),
    ],
)
def test_a_robot_that_refuses_has_not_accepted_the_message(services: Sink, url: str, answer: Any, words: str):
    services.answer = answer
    with pytest.raises(AlertError, match=words):
        open_channels([url])[0].send(HELLO)


def test_wecom_gets_no_more_than_it_takes(services: Sink):
    blocks = "\n\n".join([*(f"■ 表{number} " + "失败" * 40 for number in range(40)), "消息编号 1a2b"])
    open_channels(["wecombot://key"])[0].send(Message("[prod] 40 张表运行失败", blocks))
    text = services.received[0].body["text"]["content"]
    assert len(text.encode()) <= 2048
    assert text.startswith("[prod]")
    assert text.endswith("消息编号 1a2b")
    assert "… (+" in text


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1:1/hooks/T0KEN-very-secret-1234567890",
        "lark://T0KEN-very-secret-1234567890",
        "dingtalk://SECRETsecret99@T0KENverysecret1234567890",
        "slack://T0KENT0KEN/B0KENB0KEN/T0KENverysecret123456789",
    ],
)
def test_an_address_appears_in_no_error_and_no_log(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(1)
    monkeypatch.setattr(
        chat_robots, "ENDPOINTS", {name: f"http://127.0.0.1:1/{name}" for name in chat_robots.ENDPOINTS}
    )
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    (channel,) = open_channels([url])
    with pytest.raises(AlertError) as caught:
        channel.send(HELLO)
    shown = "".join([str(caught.value), repr(channel), caplog.text, *capfd.readouterr()])
    assert "very" not in shown
    assert "SECRETsecret99" not in shown
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["slack://T0KEN-very-secret", "nonsense://T0KEN-very-secret", "feishu://?x=T0KEN-very-secret"]
)
def test_an_entry_that_cannot_be_read_is_refused_without_repeating_it(url: str, caplog: pytest.LogCaptureFixture):
    with pytest.raises(
        SettingsError, match=r"ALERT_URLS cannot be used: entry 2: .*Write dingtalk://SECRET@TOKEN"
    ) as caught:
        open_channels(["wecombot://k", url])
    assert "very" not in str(caught.value) + caplog.text


def test_apprise_still_has_the_faults_because_of_which_robots_are_called_directly(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    from apprise.plugins.dingtalk import NotifyDingTalk

    monkeypatch.setattr(NotifyDingTalk, "notify_url", f"{sink.url}/dingtalk?access_token={{token}}")
    sink.answer = (200, {"errcode": 310000, "errmsg": "sign not match"})
    plugin: Any = NotifyDingTalk
    assert plugin(token="tok", secret="SEC1").send("hello"), "it takes a refusal for a delivery"
    signed = sink.received[0].query
    right = openssl_hmac("SEC1", f"{signed['timestamp']}\nSEC1")
    assert signed["sign"] != right
    assert unquote(signed["sign"]) == right, "it encodes twice"
