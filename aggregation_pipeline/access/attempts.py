"""Slows those who try passwords, without letting a stranger lock anybody out."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.access.names import normalized_name

# Of each kind, so that memory stays bounded. Who is pushed out is only slowed less.
_MOST_REMEMBERED: Final = 20_000
# Whoever has an IPv6 address has all of such a network.
_IPV6_PREFIX: Final = 64


@dataclass
class _Failures:
    """Failures of one address, or of one name from one address.

    Attributes:
        level: how many there were; one is forgotten after `_Rule.forgets` seconds.
        at: when `level` was right.
        until: no attempt is admitted before.
    """

    level: float = 0.0
    at: float = 0.0
    until: float = float("-inf")


@dataclass
class _Rule:
    """How failures with the same key slow further attempts: `free` do not, each further one doubles the pause."""

    free: int
    forgets: float
    longest: float
    _by_key: OrderedDict[object, _Failures] = field(default_factory=OrderedDict)

    def wait(self, key: object, now: float) -> float:
        found = self._by_key.get(key)
        return max(0.0, found.until - now) if found else 0.0

    def count(self, key: object, now: float, *, at_least: float = 0.0) -> None:
        found = self._by_key.setdefault(key, _Failures(at=now))
        self._by_key.move_to_end(key)
        found.level = max(0.0, found.level - (now - found.at) / self.forgets) + 1
        found.at = now
        found.until = now + max(at_least, self.pause(found.level))
        if len(self._by_key) > _MOST_REMEMBERED:
            self._by_key.popitem(last=False)

    def pause(self, level: float) -> float:
        return min(self.longest, 2.0 ** min(level - self.free - 1, 30.0)) if level > self.free else 0.0

    def level(self, key: object, now: float) -> float:
        found = self._by_key.get(key)
        return max(0.0, found.level - (now - found.at) / self.forgets) if found else 0.0

    def take_back(self, key: object, *, with_pause: bool = False) -> None:
        """Forget one failure, and the pause after it only if nobody else can have brought that about."""
        if (found := self._by_key.get(key)) is not None:
            found.level = max(0.0, found.level - 1)
            found.until = float("-inf") if with_pause else found.until

    def forget(self, key: object) -> None:
        self._by_key.pop(key, None)


class Attempts:
    """How often sign-in was tried, by address and by name, in this process' memory. Safe to use from many threads.

    Ask `wait` before a password is verified. 0 admits the attempt, which counts as failed until `succeeded` or
    `not_judged` is called; anything else is how many seconds to wait: answer 429 with Retry-After, and verify nothing.

    Only what comes from an address slows that address. Many failures of a name make each pause after a failure of it up
    to ten seconds long, wherever; a first attempt never waits for them. From an address where a name has signed in
    before, that name waits for its own failures there alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Of a name from an address: what somebody who mistypes a password meets.
        self._pairs = _Rule(free=3, forgets=300.0, longest=60.0)
        # Of an address, whatever the name: one password tried on many names.
        self._addresses = _Rule(free=20, forgets=60.0, longest=60.0)
        # Of a name, from wherever: one name tried from many addresses.
        self._names = _Rule(free=10, forgets=60.0, longest=10.0)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, name: str, address: str) -> float:
        """Return 0.0 if this attempt is admitted, else the seconds until the next one is."""
        pair = _pair(name, address)
        now = self._clock()
        with self._lock:
            is_known = pair in self._known
            seconds = max(self._pairs.wait(pair, now), 0.0 if is_known else self._addresses.wait(pair[1], now))
            if seconds > 0:
                return seconds
            if is_known:
                self._pairs.count(pair, now)
                return 0.0
            self._names.count(pair[0], now)
            self._addresses.count(pair[1], now)
            self._pairs.count(pair, now, at_least=self._names.pause(self._names.level(pair[0], now)))
            return 0.0

    def not_judged(self, name: str, address: str) -> None:
        """Take an admitted attempt back whose password was not verified, such as with AccessBusyError.

        Strangers who keep the service busy would otherwise make the owner's attempts failures.
        """
        pair = _pair(name, address)
        with self._lock:
            self._pairs.take_back(pair, with_pause=True)
            if pair not in self._known:
                self._addresses.take_back(pair[1])
                self._names.take_back(pair[0])

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name from this address, from which it is known from now on."""
        pair = _pair(name, address)
        with self._lock:
            self._pairs.forget(pair)
            if pair not in self._known:
                self._addresses.take_back(pair[1])
                self._names.take_back(pair[0])
            self._known[pair] = None
            self._known.move_to_end(pair)
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)


def _pair(name: str, address: str) -> tuple[str, str]:
    with suppress(ValueError):
        found = ipaddress.ip_address(address)
        if found.version == 6:
            found = found.ipv4_mapped or found
        if found.version == 6:
            return _short(name), str(ipaddress.ip_network((int(found), _IPV6_PREFIX), strict=False))
        return _short(name), str(found)
    return _short(name), address[:100]


def _short(name: str) -> str:
    return normalized_name(name)[:100]
