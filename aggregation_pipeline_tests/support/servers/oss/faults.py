"""Faults on demand: how networks, proxies and OSS itself may fail."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "reset",  # the connection breaks before the request is read
    "hang",  # nothing is answered for `seconds`
    "status",  # the answer is `status` with `code`
    "cut_up",  # the connection breaks when `at` bytes of the body have arrived
    "cut_down",  # the connection breaks when `at` bytes of the body have been sent
    "lost_reply",  # the request is carried out, its answer never arrives
    "damage_up",  # a byte changes on the way up: stored damaged, answered with the damaged content's CRC64
    "damage_down",  # a byte changes on the way down: answered with the stored content's CRC64
    "no_crc",  # a proxy removes x-oss-hash-crc64ecma
    "slow",  # `seconds` before each answer, which comes
    "no_ranges",  # a proxy ignores Range
]


@dataclass
class Fault:
    """`times` requests of `method` fail whose path and query contain `matching`, after the first `after` of them."""

    kind: Kind
    method: str = ""
    matching: str = ""
    times: int = 1
    after: int = 0
    at: int = 0
    seconds: float = 0.0
    status: int = 503
    code: str = "ServiceUnavailable"

    def matches(self, method: str, target: str) -> bool:
        return self.times > 0 and self.method in {"", method} and self.matching in target


@dataclass
class Faults:
    """The faults that tests ordered; each request gets the first that matches it."""

    waiting: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, fault: Fault) -> Fault:
        with self.lock:
            self.waiting.append(fault)
        return fault

    def take(self, method: str, target: str) -> Fault | None:
        with self.lock:
            for fault in self._matching(method, target):
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def clear(self) -> None:
        with self.lock:
            self.waiting.clear()

    def _matching(self, method: str, target: str) -> Iterator[Fault]:
        yield from [fault for fault in self.waiting if fault.matches(method, target)]
