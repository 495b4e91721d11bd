"""The group robots of DingTalk, Feishu, Lark and WeCom, spoken to without apprise.

Seen in apprise 2.2.0: it percent-encodes DingTalk's signature twice, so that a signed robot refuses every message; it
cannot sign for Feishu; and it takes any reply with status 200 for a delivery, while all four say "refused" with status
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
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from aggregation_pipeline.errors import AlertError

_TIMEOUT: Final = 6.0
# The addresses that the services' own pages show for a robot, without what comes after.
ENDPOINTS: Final = {
    "dingtalk": "https://oapi.dingtalk.com/robot/send",
    "feishu": "https://open.feishu.cn/open-apis/bot/v2/hook",
    "lark": "https://open.larksuite.com/open-apis/bot/v2/hook",
    "wecombot": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
}


@dataclass(frozen=True, repr=False)
class Robot:
    """One robot. `longest` is how many bytes of UTF-8 a text may have."""

    service: str
    token: str
    secret: str | None
    longest: int
    ask: Callable[["Robot", str, float], tuple[str, Mapping[str, Any]]]
    codes: tuple[str, ...]

    def send(self, text: str) -> None:
        """Send a text and read the answer. Raises AlertError, without the address, unless the robot says that it has
        it.
        """
        url, payload = self.ask(self, text, time.time())
        body = json.dumps(payload).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the services' own https addresses
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:  # noqa: S310
                answer = reply.read(100_000)
        except urllib.error.HTTPError as error:
            error.close()
            raise AlertError(f"{self.service} answers with status {error.code}") from None
        # The texts of the other errors may hold the address.
        except (OSError, ValueError) as error:
            cause = getattr(error, "reason", error)
            raise AlertError(f"{self.service} cannot be reached ({type(cause).__name__})") from None
        self._read(answer)

    def _read(self, answer: bytes) -> None:
        try:
            said = json.loads(answer)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise AlertError(f"{self.service} answers with something else than JSON: is a proxy in between?")
        found = [said[code] for code in self.codes if code in said]
        if not found or any(code != 0 for code in found):
            words = str(said.get("errmsg") or said.get("msg") or said.get("StatusMessage") or "no reason given")[:200]
            raise AlertError(f"{self.service} refuses the message: {words} (code {found[0] if found else 'missing'})")


def find_robot(url: str) -> Robot | None:
    """The robot that a URL names, in apprise's short form or as copied from the service; None where it is none of the
    four.

    Raises AlertError where the token is missing.
    """
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    service = parts.scheme.lower()
    if service in ENDPOINTS:
        # dingtalk://SECRET@TOKEN, feishu://SECRET@TOKEN, or ?secret=SECRET; urlsplit().hostname would lower the
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
    ask, longest, codes = _KINDS[service]
    return Robot(service, token, secret, longest, ask, codes)


def dingtalk_sign(secret: str, milliseconds: int) -> str:
    """Base64 of the HMAC-SHA256 of time and secret, keyed with the secret."""
    digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def feishu_sign(secret: str, seconds: int) -> str:
    """Base64 of the HMAC-SHA256 of nothing, keyed with time and secret."""
    return base64.b64encode(hmac.new(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


def _ask_dingtalk(robot: Robot, text: str, now: float) -> tuple[str, Mapping[str, Any]]:
    query = {"access_token": robot.token}
    if robot.secret:
        milliseconds = round(now * 1000)
        query |= {"timestamp": str(milliseconds), "sign": dingtalk_sign(robot.secret, milliseconds)}
    return f"{ENDPOINTS['dingtalk']}?{urlencode(query)}", {
        "msgtype": "text",
        "text": {"content": text},
        "at": {"isAtAll": False},
    }


def _ask_feishu(robot: Robot, text: str, now: float) -> tuple[str, Mapping[str, Any]]:
    payload: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if robot.secret:
        payload |= {"timestamp": str(round(now)), "sign": feishu_sign(robot.secret, round(now))}
    return f"{ENDPOINTS[robot.service]}/{robot.token}", payload


def _ask_wecom(robot: Robot, text: str, _now: float) -> tuple[str, Mapping[str, Any]]:
    return f"{ENDPOINTS['wecombot']}?{urlencode({'key': robot.token})}", {"msgtype": "text", "text": {"content": text}}


_KINDS: Final[dict[str, tuple[Callable[[Robot, str, float], tuple[str, Mapping[str, Any]]], int, tuple[str, ...]]]] = {
    "dingtalk": (_ask_dingtalk, 15_000, ("errcode",)),
    "feishu": (_ask_feishu, 15_000, ("code", "StatusCode")),
    "lark": (_ask_feishu, 15_000, ("code", "StatusCode")),
    "wecombot": (_ask_wecom, 2_048, ("errcode",)),
}
