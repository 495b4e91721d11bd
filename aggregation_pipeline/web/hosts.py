"""Under which names this service is asked for: a page elsewhere may lead any name of its own to our address (DNS rebinding)."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from aggregation_pipeline.addresses import host_problem
from aggregation_pipeline.errors import SettingsError

_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORTS: Final = (80, 443)
_HIGHEST_PORT: Final = 65_535
_ENTRY: Final = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")


@dataclass(frozen=True)
class OwnHosts:
    """The values of the header Host that are answered, in small letters.

    Attributes:
        bound: those of loopback, and of the address that the service listens on.
        added: those that an operator has added; TLS may end before us there.
    """

    bound: frozenset[str]
    added: frozenset[str]

    @classmethod
    def of(cls, host: str, port: int, added: Iterable[str] = ()) -> Self:
        """What is answered by a service that listens on `host` and `port`; `added` are names, with a port or without.

        Raises:
            SettingsError: one of `added` is no host.
        """
        names = {*_LOOPBACK, *([] if _is_any(host) else [bracketed(host)])}
        ports = (port, *_DEFAULT_PORTS)
        return cls(
            frozenset(text for name in names for text in _spelled(name, (port,), bare=port == _DEFAULT_PORTS[0])),
            frozenset(text for entry in added for text in _of_entry(entry, ports)),
        )

    def know(self, host: str) -> bool:
        """Whether `host`, as the header Host has it, is one of ours."""
        return host.lower() in self.bound | self.added

    def own(self, origin: str, host: str, scheme: str) -> bool:
        """Whether `origin` is that of our own pages, when they are asked for under `host` by `scheme` (http or https)."""
        schemes = {scheme, "https"} if host.lower() in self.added else {scheme}
        return origin.lower() in {f"{each}://{host.lower()}" for each in schemes}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _of_entry(entry: str, ports: tuple[int, ...]) -> Iterable[str]:
    found = _ENTRY.fullmatch(entry.strip())
    name, port = (found["name"].strip("[]"), found["port"]) if found else (entry.strip(), None)
    problem = host_problem(name)
    if not problem and port is not None and not (port.isascii() and port.isdecimal() and 1 <= int(port) <= _HIGHEST_PORT):
        problem = "its port is none: ports are 1 to 65535"
    if problem:
        raise SettingsError(f"ALLOWED_HOSTS: {entry.strip()!r} is no host: {problem}. Expected NAME or NAME:PORT")
    wanted = ports if port is None else (int(port),)
    return _spelled(bracketed(name), wanted, bare=port is None or int(port) in _DEFAULT_PORTS)


def _spelled(name: str, ports: Iterable[int], *, bare: bool) -> Iterable[str]:
    return [*(f"{name.lower()}:{port}" for port in ports), *([name.lower()] if bare else [])]


def bracketed(name: str) -> str:
    """A host as it stands in an address: in brackets where it is IPv6."""
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""
