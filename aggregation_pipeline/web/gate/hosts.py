"""The host names under which this service answers.

It has to know them, because the owner of another site can point a name of its own to our address (DNS rebinding).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from aggregation_pipeline.config.hosts_and_urls import bracketed, split_host_and_port

_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORTS: Final = (80, 443)


@dataclass(frozen=True)
class OwnHosts:
    """The values of the header Host that are answered, in small letters.

    Attributes:
        bound: loopback, and the address that the service listens on.
        added: what an operator has added. For these a proxy in front of us may speak TLS.
    """

    bound: frozenset[str]
    added: frozenset[str]

    @classmethod
    def of(cls, host: str, port: int, added: Iterable[str] = ()) -> Self:
        """Return the names of a service that listens on `host` and `port`. `added` are names with or without a port.

        Raises:
            ValueError: one of `added` is not a host.
        """
        names = {*_LOOPBACK, *([] if _is_any(host) else [bracketed(host)])}
        ports = (port, *_DEFAULT_PORTS)
        return cls(
            frozenset(text for name in names for text in _spelled(name, (port,), bare=port == _DEFAULT_PORTS[0])),
            frozenset(text for entry in added for text in _of_entry(entry, ports)),
        )

    def know(self, host: str) -> bool:
        """Return whether `host`, as the header Host has it, is one of ours."""
        return host.lower() in self.bound | self.added

    def own(self, origin: str, host: str, scheme: str) -> bool:
        """Return whether `origin` is our own pages', if they are served under `host` by `scheme` (http or https)."""
        schemes = {scheme, "https"} if host.lower() in self.added else {scheme}
        return origin.lower() in {f"{each}://{host.lower()}" for each in schemes}


def _of_entry(entry: str, ports: tuple[int, ...]) -> Iterable[str]:
    name, port = split_host_and_port(entry)
    return _spelled(bracketed(name), ports if port is None else (port,), bare=port is None or port in _DEFAULT_PORTS)


def _spelled(name: str, ports: Iterable[int], *, bare: bool) -> Iterable[str]:
    return [*(f"{name.lower()}:{port}" for port in ports), *([name.lower()] if bare else [])]


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""
