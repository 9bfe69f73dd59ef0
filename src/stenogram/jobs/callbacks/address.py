"""Where callbacks may go. A client names the address, so it must not lead into the operator's own network.

An address is checked when the job is submitted, and again for each connection: then the connection goes to the very
number that was checked (``connect``), so that a name which changes its meaning in between wins nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from stenogram.errors import CallbackRefused, OptionError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""Host and port -> numeric addresses; raises ``OSError`` where the name is not known."""

_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8192
_URL_SAFE = "/?:@!$&'()*+,;=-._~%"  # RFC 3986, 3.3 and 3.4; what is encoded already stays
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LITERAL = re.compile(r"\[[^\[\]]*:[^\[\]]*\](:[0-9]*)?")
_ENTRY = re.compile(r"(?:\[(?P<literal>[^\[\]]+)\]|(?P<name>[^\[\]:/\s]+))(?::(?P<port>[0-9]{1,5}))?")

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: the only IPv6 addresses of the public internet
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_METADATA = tuple(
    ipaddress.ip_network(address)
    for address in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # containers of Amazon
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
        "168.63.129.16",  # Azure; an address of the public internet, but answered by the host
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
    )
)
_RESERVED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # RFC 6598: carriers' own
        "192.0.0.0/24",  # RFC 6890: protocol assignments
        "192.88.99.0/24",  # RFC 7526: relays of 6to4
        "198.18.0.0/15",  # RFC 2544: benchmarks
        "2001::/23",  # RFC 2928: Teredo and other assignments
        "3fff::/20",  # RFC 9637: documentation
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """A callback's URL, taken apart once: what is checked is what is connected to."""

    url: str
    scheme: str
    host: str
    """Name in ASCII without a dot at its end, or number without brackets."""
    port: int
    path: str
    """With the query, in ASCII."""

    @property
    def authority(self) -> str:
        """As the header ``Host`` has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the allow-list: a name or a network, on one port or on all."""

    name: str | None
    network: Network | None
    port: int | None

    def allows(self, target: Target, number: Address) -> bool:
        """Whether a callback to ``target`` may connect to ``number``."""
        if self.port is not None and self.port != target.port:
            return False
        if self.network is not None:
            return any(each in self.network for each in (number, _inner(number)) if each is not None)
        if self.name is not None and self.name.startswith("*"):
            return target.host.endswith(self.name[1:])
        return target.host == self.name


class AddressGuard:
    """Knows where callbacks may go. Raises ``OptionError`` for an allow-list that cannot be read."""

    def __init__(self, allow: str, resolve: Resolve | None = None) -> None:
        self._rules = allow_list(allow)
        self._resolve = resolve or resolve_host

    def addresses(self, target: Target) -> list[str]:
        """The numeric addresses that a callback may connect to; empty when the name is not known today.

        Raises ``CallbackRefused`` when any address of the host may not be reached.
        """
        try:
            found = list(self._resolve(target.host, target.port))
        except (OSError, UnicodeError):
            return []
        for address in found:
            number = ipaddress.ip_address(address.partition("%")[0])
            reason = why_refused(number)
            if reason is not None and not any(rule.allows(target, number) for rule in self._rules):
                shown = target.host if target.host == address else f"{target.host} is {address}, and that"
                raise CallbackRefused(url=target.url, cause=f"{shown} is {reason}")
        return found


def check(url: str, allow: str, resolve: Resolve | None = None) -> list[str]:
    """The numeric addresses that a callback to ``url`` may connect to; empty when the name is not known today.

    ``allow`` lists, separated by commas, what may be reached although it is private: hosts (``build.example``,
    ``*.example``), addresses and networks (``10.0.0.0/8``); hosts and addresses also with ``:port``. Raises
    ``CallbackRefused``, and ``OptionError`` for an entry of ``allow`` that is none of these.
    """
    return AddressGuard(allow, resolve).addresses(parse(url))


def parse(url: str) -> Target:
    """Raises ``CallbackRefused`` for what is not a plain http(s) address."""
    if len(url) > _LONGEST_URL:
        raise CallbackRefused(url=url[:80] + "...", cause=f"it is longer than {_LONGEST_URL} characters")
    if any(character.isspace() or not character.isprintable() or character == "\\" for character in url):
        raise CallbackRefused(url=repr(url), cause="it holds spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _ascii_host(parts.hostname or "")
        if "[" in parts.netloc and not _LITERAL.fullmatch(parts.netloc):
            raise ValueError("brackets belong around the whole of an IPv6 address")
    except ValueError as error:
        raise CallbackRefused(url=url, cause=f"it is not an address ({error})") from error
    if parts.scheme not in _PORTS:
        raise CallbackRefused(url=url, cause="it must begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise CallbackRefused(url=url, cause="it must not hold a user name or password")
    if not host:
        raise CallbackRefused(url=url, cause="it names no host")
    if port == 0:
        raise CallbackRefused(url=url, cause="there is no port 0")
    path = quote(parts.path or "/", safe=_URL_SAFE.replace("?", ""))
    query = "?" + quote(parts.query, safe=_URL_SAFE) if parts.query else ""
    return Target(url, parts.scheme, host, port or _PORTS[parts.scheme], path + query)


def allow_list(text: str) -> tuple[Rule, ...]:
    """The entries of ``STENOGRAM_CALLBACK_ALLOW``. Raises ``OptionError``."""
    return tuple(_rule(entry) for entry in (part.strip().lower() for part in text.split(",")) if entry)


def why_refused(number: Address) -> str | None:
    """Why an address may not be reached unless it is allowed; None: it is of the public internet."""
    number = _inner(number) or number
    outside = isinstance(number, ipaddress.IPv6Address) and number not in _GLOBAL_UNICAST
    reasons = (
        (_among(number, _METADATA), "where a cloud keeps its metadata"),
        (number.is_loopback, "this machine itself"),
        (number.is_unspecified, "no address of a receiver"),
        (number.is_link_local, "a link-local address"),
        (number.is_multicast, "a multicast address"),
        (_among(number, _RESERVED) or number.is_reserved, "a reserved address"),
        (outside or number.is_private or not number.is_global, "a private address"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system, which also reads ``127.1``, ``0x7f000001`` and the like. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _ascii_host(host: str) -> str:
    """Raises ``ValueError``."""
    if ":" in host and "%" not in host:  # a zone (fe80::1%eth0) means something on one machine only
        return str(ipaddress.IPv6Address(host))
    host = host.rstrip(".").encode("idna").decode().lower() if host.strip(".") else ""
    if host and not _HOST.fullmatch(host):
        raise ValueError(f"there is no host {host!r}")
    return host


def _among(number: Address, networks: Sequence[Network]) -> bool:
    return any(number in network for network in networks)


def _inner(number: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one, where connections end up."""
    if not isinstance(number, ipaddress.IPv6Address):
        return None
    if number in _NAT64:
        return ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    return number.ipv4_mapped or number.sixtofour


def _rule(entry: str) -> Rule:
    try:
        return Rule(None, ipaddress.ip_network(entry, strict=False), None)
    except ValueError:
        found = _ENTRY.fullmatch(entry)
    if found is not None and (found["port"] is None or 0 < int(found["port"]) < 1 << 16):
        port = int(found["port"]) if found["port"] else None
        try:
            return Rule(None, ipaddress.ip_network(found["literal"] or found["name"]), port)
        except ValueError:
            name = found["name"] or ""
        wild = "*" if name.startswith("*.") or name == "*" else ""
        rest = name[len(wild) :].strip(".")
        try:
            if rest or wild:
                return Rule(wild + ("." if wild and rest else "") + _ascii_host(rest), None, port)
        except ValueError:
            pass
    cause = "must be a host, *.example.com, an address or a network such as 10.0.0.0/8; only the first three take :port"
    raise OptionError(name="STENOGRAM_CALLBACK_ALLOW", value=entry, cause=cause)
