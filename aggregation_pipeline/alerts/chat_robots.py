"""The group robots of DingTalk, Feishu, Lark and WeCom, called without apprise.

apprise 2.2.0 percent-encodes DingTalk's signature twice, so that a signed robot refuses every message. It cannot sign
for Feishu. And it takes every reply with status 200 for a delivery, while all four robots refuse a message with status
200 and a code in the body.
"""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from aggregation_pipeline.errors import AlertError

_TIMEOUT: Final = 6.0
# The addresses that the services show for a robot, up to its token.
ENDPOINTS: Final = {
    "dingtalk": "https://oapi.dingtalk.com/robot/send",
    "feishu": "https://open.feishu.cn/open-apis/bot/v2/hook",
    "lark": "https://open.larksuite.com/open-apis/bot/v2/hook",
    "wecombot": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
}


@dataclass(frozen=True, repr=False)
class Robot:
    """One robot.

    Attributes:
        longest: how many bytes of UTF-8 a text may have.
        request: makes the URL and the JSON body of a request from the robot, the text and the time in seconds.
        codes: fields of the reply that hold 0 when the message was accepted.
    """

    service: str
    token: str
    secret: str | None
    longest: int
    request: "RequestMaker"
    codes: tuple[str, ...]

    def send(self, text: str) -> None:
        """Send a text. Raises AlertError, without the address, unless the robot accepts it."""
        url, payload = self.request(self, text, time.time())
        body = json.dumps(payload).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the services' own https addresses
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:  # noqa: S310
                answer = reply.read(100_000)
        except urllib.error.HTTPError as error:
            error.close()
            raise AlertError(f"{self.service} answers with status {error.code}") from None
        # The texts of other errors may hold the address.
        except (OSError, ValueError) as error:
            cause = getattr(error, "reason", error)
            raise AlertError(f"{self.service} cannot be reached ({type(cause).__name__})") from None
        self._check(answer)

    def _check(self, answer: bytes) -> None:
        try:
            reply = json.loads(answer)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise AlertError(f"{self.service} does not answer with JSON: is a proxy in between?")
        found = [reply[code] for code in self.codes if code in reply]
        if not found or any(code != 0 for code in found):
            reason = reply.get("errmsg") or reply.get("msg") or reply.get("StatusMessage") or "no reason given"
            code = found[0] if found else "missing"
            raise AlertError(f"{self.service} refuses the message: {str(reason)[:200]} (code {code})")


def find_robot(url: str) -> Robot | None:
    """Return the robot of a URL, in apprise's short form or as copied from the service.

    None for a URL of another service. Raises AlertError where the token is missing.
    """
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    service = parts.scheme.lower()
    if service in ENDPOINTS:
        # dingtalk://SECRET@TOKEN, feishu://SECRET@TOKEN, or ?secret=SECRET. Not urlsplit().hostname, which lowers
        # letters.
        token = unquote(parts.netloc.rpartition("@")[2]) or query.get("token") or query.get("key") or ""
        secret = query.get("secret") or unquote(parts.netloc.rpartition("@")[0]) or None
    else:
        service = next((name for name, endpoint in ENDPOINTS.items() if url.lower().startswith(endpoint)), "")
        if not service:
            return None
        rest = parts.path.rpartition("/")[2] if service in {"feishu", "lark"} else ""
        token, secret = rest or query.get("access_token") or query.get("key") or "", query.get("secret")
    if not token:
        raise AlertError(f"the URL of {service} has no token")
    request, longest, codes = _SERVICES[service]
    return Robot(service, token, secret, longest, request, codes)


def dingtalk_sign(secret: str, milliseconds: int) -> str:
    """Return DingTalk's signature: the HMAC-SHA256 of time and secret, keyed with the secret, in Base64."""
    digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def feishu_sign(secret: str, seconds: int) -> str:
    """Return Feishu's signature: the HMAC-SHA256 of an empty text, keyed with time and secret, in Base64."""
    return base64.b64encode(hmac.new(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


def _dingtalk_request(robot: Robot, text: str, now: float) -> tuple[str, Mapping[str, Any]]:
    query = {"access_token": robot.token}
    if robot.secret:
        milliseconds = round(now * 1000)
        query |= {"timestamp": str(milliseconds), "sign": dingtalk_sign(robot.secret, milliseconds)}
    return f"{ENDPOINTS['dingtalk']}?{urlencode(query)}", {
        "msgtype": "text",
        "text": {"content": text},
        "at": {"isAtAll": False},
    }


def _feishu_request(robot: Robot, text: str, now: float) -> tuple[str, Mapping[str, Any]]:
    payload: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if robot.secret:
        payload |= {"timestamp": str(round(now)), "sign": feishu_sign(robot.secret, round(now))}
    return f"{ENDPOINTS[robot.service]}/{robot.token}", payload


def _wecom_request(robot: Robot, text: str, _now: float) -> tuple[str, Mapping[str, Any]]:
    return f"{ENDPOINTS['wecombot']}?{urlencode({'key': robot.token})}", {"msgtype": "text", "text": {"content": text}}


RequestMaker: TypeAlias = Callable[[Robot, str, float], tuple[str, Mapping[str, Any]]]

# Service -> how a request is made, the longest text in bytes, the fields of the reply that hold a code.
_SERVICES: Final[dict[str, tuple[RequestMaker, int, tuple[str, ...]]]] = {
    "dingtalk": (_dingtalk_request, 15_000, ("errcode",)),
    "feishu": (_feishu_request, 15_000, ("code", "StatusCode")),
    "lark": (_feishu_request, 15_000, ("code", "StatusCode")),
    "wecombot": (_wecom_request, 2_048, ("errcode",)),
}
