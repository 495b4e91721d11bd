"""Finds hosts and URLs that can never work. An unknown name may exist tomorrow; `db/x` never will."""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

# What a Chinese keyboard writes for . : / @ [ ] and for Latin letters and digits.
_FULL_WIDTH: Final = re.compile("[\uff01-\uff5e\u3002\uff61\u3000]")
FULL_WIDTH_PROBLEM: Final = "it holds a full-width character, such as 。 for a dot or ： for a colon"
_LABEL: Final = re.compile(r"[\w-]+")
_HOST_AND_PORT: Final = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_HIGHEST_PORT: Final = 65_535
_LONGEST_NAME, _LONGEST_LABEL = 253, 63
# What programs write where a value is missing.
_NO_VALUE: Final = frozenset(("null", "none", "nil", "undefined", "nan"))


def host_problem(host: str) -> str:
    """Why `host` can be no host; empty if it can. Host names, IPv4 and IPv6 addresses without brackets are hosts."""
    if (address := _ip(host)) is not None:
        # These ranges belong to many hosts, or to none.
        no_host = address.is_multicast or (address.version == 4 and address.is_reserved)
        return "that address belongs to no single host (multicast, broadcast or reserved)" if no_host else ""
    labels = host.removesuffix(".").split(".")
    bad_character = next((char for label in labels for char in _LABEL.sub("", label)), "")
    for is_wrong, problem in (
        (not host, "it is empty"),
        (is_full_width(host), FULL_WIDTH_PROBLEM),
        (":" in host, "a colon does not belong there, and it is no IPv6 address"),
        (any(char.isspace() for char in host), "a blank does not belong there"),
        (bad_character, f"{bad_character!r} does not belong there"),
        (not all(labels), "a name is missing before a dot"),
        (any(label.startswith("-") for label in labels), "names do not begin with a hyphen"),
        (host.casefold() in _NO_VALUE, f"{host} is what programs write where there is no value"),
        (labels[-1].isdecimal(), "it is no IPv4 address, and names do not end in a number"),
        (not _fits(labels), f"names have at most {_LONGEST_NAME} characters, {_LONGEST_LABEL} between two dots"),
    ):
        if is_wrong:
            return problem
    return ""


def is_full_width(text: str) -> bool:
    """Whether the text holds a full-width character of a Chinese keyboard that looks like an ASCII one."""
    return _FULL_WIDTH.search(text) is not None


def read_host(text: str) -> str:
    """Read DB_HOST: a name or an address, without the brackets of IPv6 and the dot at the end of a full name.

    Raises:
        ValueError: no host can have that name. The message repeats the value only where it cannot hold a password.
    """
    host = text.strip()
    whole = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]/@]+))(?::(\d+))?", host)
    if whole and whole[3]:
        raise ValueError(f"the port goes into DB_PORT: write DB_HOST={whole[1] or whole[2]} and DB_PORT={whole[3]}")
    for found, remedy in (
        (
            re.match(r"(jdbc:)?[A-Za-z][\w+.-]*:/", host),
            "a URL goes into DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME",
        ),
        ("@" in host, "the user goes into DB_USER, the password into DB_PASSWORD, and the host is what follows the @"),
        (host.startswith("/"), "the path of a socket goes into DB_SOCKET"),
        ("/" in host, "what follows the / does not belong to the host; the database goes into DB_NAME"),
    ):
        if found:
            raise ValueError(f"a host's name or address alone is expected; {remedy}")
    host = ((whole and whole[1]) or host).removesuffix(".")
    if problem := host_problem(host):
        raise ValueError(f"a host's name or address is expected, such as db.internal or 10.0.0.5; {problem}")
    return host


def split_host_and_port(text: str) -> tuple[str, int | None]:
    """Split `NAME` or `NAME:PORT`. An IPv6 address with a port is in brackets; it is returned without them.

    Raises:
        ValueError: says why the text can be no host, or no port.
    """
    if "://" in text:
        raise ValueError("it is a URL; the host alone belongs there, without the scheme and the path")
    found = _HOST_AND_PORT.fullmatch(text)
    name, port = (found["name"].strip("[]"), found["port"]) if found else (text, None)
    problem = host_problem(name)
    if (
        not problem
        and port is not None
        and not (port.isascii() and port.isdecimal() and 1 <= int(port) <= _HIGHEST_PORT)
    ):
        problem = f"its port is none: ports are 1 to {_HIGHEST_PORT}"
    if problem:
        raise ValueError(problem)
    return name, None if port is None else int(port)


def url_problem(url: str) -> str:
    """Why `url` can be no address of a website; empty if it can. The text never repeats what may be a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port cannot be read"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "it does not begin with https:// or http:// and a host"
    return "its port is 0" if port == 0 else host_problem(parts.hostname)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # inet_aton reads addresses as the resolver does, which accepts 127.1 too.
        return ipaddress.IPv6Address(host) if ":" in host else ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _fits(labels: list[str]) -> bool:
    try:
        encoded = [label.encode("idna") if not label.isascii() else label.encode() for label in labels]
    except UnicodeError:
        return False
    return (
        all(len(label) <= _LONGEST_LABEL for label in encoded)
        and sum(len(label) + 1 for label in encoded) - 1 <= _LONGEST_NAME
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bracketed(name: str) -> str:
    """Return a host as it stands in a URL: IPv6 in brackets."""
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
