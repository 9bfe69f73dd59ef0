"""Where callbacks may go. A client names the address, so it must not lead into the operator's own network.

An address is checked when the job is submitted, and each time a connection is made: then the connection goes to the
very number that was checked, so that a name which changes its meaning in between wins nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from urllib.parse import urlsplit

from stenogram.errors import CallbackRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Host and port -> numeric addresses; raises ``OSError``."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_NOT_OTHERWISE_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # RFC 6598: carriers' own
        "192.0.0.0/24",  # RFC 6890: protocol assignments
        "198.18.0.0/15",  # RFC 2544: benchmarks
        "64:ff9b:1::/48",  # RFC 8215: local translation
        "2001::/23",  # RFC 2928: Teredo and other assignments
        "fec0::/10",  # RFC 3879: what site-local once was
        "fd00:ec2::254/128",  # metadata of a cloud
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """A callback's URL, taken apart."""

    scheme: str
    host: str
    port: int


def parse(url: str) -> Target:
    """Raises ``CallbackRefused`` for what is not a plain http(s) address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CallbackRefused(url=url, cause=f"it is not an address ({error})") from error
    if parts.scheme not in ("http", "https"):
        raise CallbackRefused(url=url, cause="it must begin with http:// or https://")
    if not parts.hostname:
        raise CallbackRefused(url=url, cause="it names no host")
    if parts.username is not None or parts.password is not None:
        raise CallbackRefused(url=url, cause="it must not hold a user name or password")
    if any(character.isspace() or ord(character) < 32 for character in url):  # noqa: PLR2004 - control characters
        raise CallbackRefused(url=url, cause="it holds spaces or control characters")
    return Target(parts.scheme, parts.hostname.rstrip("."), port or (443 if parts.scheme == "https" else 80))


def check(url: str, allow: str, resolve: Resolve | None = None) -> list[str]:
    """The numeric addresses that a callback to ``url`` may connect to; empty when the name is unknown today.

    ``allow`` lists hosts (``build.example``, ``*.example``, either with ``:port``) and networks that may be reached
    although they are private. Raises ``CallbackRefused`` when any address of the host may not be reached.
    """
    target = parse(url)
    try:
        found = (resolve or resolve_host)(target.host, target.port)
    except (OSError, UnicodeError):
        return []
    hosts, networks = _allowed(allow)
    if any(fnmatch(name, pattern) for pattern in hosts for name in (target.host, f"{target.host}:{target.port}")):
        return list(found)
    for address in found:
        number = ipaddress.ip_address(address.partition("%")[0])
        if any(number in network for network in networks if network.version == number.version):
            continue
        reason = why_refused(number)
        if reason is not None:
            raise CallbackRefused(url=url, cause=f"{target.host} is {address}, {reason}")
    return list(found)


def why_refused(number: Address) -> str | None:
    """Why an address may not be reached unless it is allowed; None: it is of the public internet."""
    number = _inner(number) or number
    reserved = any(number in network for network in _NOT_OTHERWISE_REFUSED if network.version == number.version)
    reasons = (
        (number.is_loopback, "this machine itself"),
        (number.is_link_local, "a link-local address, where clouds keep their metadata"),
        (number.is_multicast, "a multicast address"),
        (number.is_unspecified, "no address"),
        (reserved or number.is_reserved, "a reserved address"),
        (number.is_private or not number.is_global, "a private address"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _inner(number: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one, where connections end up."""
    if not isinstance(number, ipaddress.IPv6Address):
        return None
    if number in _NAT64:
        return ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    return number.ipv4_mapped or number.sixtofour


def _allowed(allow: str) -> tuple[list[str], list[ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    hosts, networks = [], []
    for entry in (entry.strip().lower() for entry in allow.split(",")):
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            if entry:
                hosts.append(entry)
    return hosts, networks
