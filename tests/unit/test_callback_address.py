"""Where callbacks may go: nothing private, however it is spelled, unless the operator allows it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.errors import CallbackRefused, OptionError
from stenogram.jobs.callbacks.address import allow_list, check, parse, why_refused

PUBLIC = "93.184.216.34"


def resolves_to(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda host, port: addresses


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "this machine itself"),
        ("127.8.9.10", "this machine itself"),
        ("::1", "this machine itself"),
        ("0.0.0.0", "no address"),  # noqa: S104 - it is refused
        ("::", "no address"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("fc00::1", "private"),
        ("100.64.0.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("192.0.0.8", "reserved"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fec0::1", "private"),
        ("64:ff9b:1::1", "reserved"),
        ("224.0.0.251", "multicast"),
        ("ff02::fb", "multicast"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::7f00:1", "this machine itself"),
        ("2002:c0a8:1::", "private"),
        ("::127.0.0.1", "reserved"),
    ],
)
def test_a_name_that_means_a_private_address_is_refused(address: str, reason: str) -> None:
    """The error names the address, the reason and the setting."""
    with pytest.raises(CallbackRefused, match=reason) as caught:
        check("https://receiver.example/done", "", resolves_to(address))

    assert address in str(caught.value)
    assert "STENOGRAM_CALLBACK_ALLOW" in str(caught.value)


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_a_public_address_may_be_reached(address: str) -> None:
    assert check("https://receiver.example/done", "", resolves_to(address)) == [address]


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(CallbackRefused):
        check("http://receiver.example/", "", resolves_to(PUBLIC, "10.0.0.1"))


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0", "localhost", "LOCALHOST.", "①②⑦.0.0.1"]
)
def test_spellings_of_this_machine_are_refused(host: str) -> None:
    """Those that the system's own resolver reads as an address of it."""
    with pytest.raises(CallbackRefused):
        check(f"http://{host}:8000/", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254"])
def test_literal_addresses_are_refused(host: str) -> None:
    with pytest.raises(CallbackRefused):
        check(f"http://{host}/latest/meta-data", "")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://receiver.example/",
        "file:///etc/passwd",
        "gopher://receiver.example/",
        "//receiver.example/",
        "receiver.example/done",
        "",
        "http://",
        "http:///done",
        "http://..",
        "http://user@receiver.example/",
        "http://user:password@receiver.example/",
        "http://@receiver.example/",
        "http://receiver.example\\@127.0.0.1/",
        "http://receiver.example/a b",
        "http://receiver.example/\r\nX-Injected: 1",
        "http://receiver.example/\x7f",
        "http://receiver.example/\ud800",
        "http://receiver.example:0/",
        "http://receiver.example:65536/",
        "http://receiver.example:http/",
        "http://[::1",
        "http://[::1]receiver.example/",
        "http://[receiver.example]/",
        "http://[fe80::1%25eth0]/",
        "http://receiver%2eexample/",
        "http://" + "a" * 64 + ".example/",
        "http://receiver.example/" + "a" * 9000,
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(CallbackRefused):
        check(url, "*", resolves_to(PUBLIC))


def test_a_name_that_is_unknown_today_is_taken() -> None:
    """It may come up before the job ends; a try that meets it unknown fails."""

    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    assert check("http://later.example/", "", unknown) == []


@given(st.text(max_size=60))
def test_whatever_a_client_sends_is_taken_or_refused(text: str) -> None:
    """No other error escapes, and what is taken can be put into a request."""
    for url in (text, f"http://{text}", f"http://receiver.example/{text}", f"http://receiver.example:{text}"):
        try:
            target = parse(url)
        except CallbackRefused:
            continue
        assert f"{target.authority}{target.path}".isascii()
        assert target.path.startswith("/")
        assert not set("\r\n \t") & set(target.authority + target.path)


@given(st.ip_addresses(v=4))
def test_what_may_be_reached_is_of_the_public_internet(number: ipaddress.IPv4Address) -> None:
    if why_refused(number) is None:
        assert number.is_global
        assert not number.is_multicast


@given(st.ip_addresses(v=4))
def test_an_address_inside_ipv6_is_judged_as_itself(number: ipaddress.IPv4Address) -> None:
    """Mapped (RFC 4291), by NAT64 (RFC 6052) and by 6to4 (RFC 3056)."""
    for inside in (0xFFFF << 32 | int(number), 0x64FF9B << 96 | int(number), 0x2002 << 112 | int(number) << 80):
        assert why_refused(ipaddress.IPv6Address(inside)) == why_refused(number)


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_global_unicast_may_be_reached(number: ipaddress.IPv6Address) -> None:
    embedded = number.ipv4_mapped is not None or number in ipaddress.IPv6Network("64:ff9b::/96")
    if why_refused(number) is None and not embedded:
        assert number in ipaddress.IPv6Network("2000::/3")


@pytest.mark.parametrize(
    ("allow", "url", "address"),
    [
        ("10.0.0.0/8", "http://receiver.example/", "10.1.2.3"),
        ("10.0.0.0/8", "http://receiver.example/", "::ffff:10.1.2.3"),
        (" 192.168.1.1 , 10.1.2.3", "http://10.1.2.3/", "10.1.2.3"),
        ("::1", "http://[::1]/", "::1"),
        ("fc00::/7", "http://receiver.example/", "fd12::1"),
        ("receiver.example", "http://Receiver.Example./", "10.1.2.3"),
        ("receiver.example:9000", "http://receiver.example:9000/", "10.1.2.3"),
        ("receiver.example:443", "https://receiver.example/", "10.1.2.3"),
        ("10.1.2.3:9000", "http://receiver.example:9000/", "10.1.2.3"),
        ("[fd12::1]:9000", "http://receiver.example:9000/", "fd12::1"),
        ("*.example", "http://a.receiver.example/", "10.1.2.3"),
        ("*.bücher.example", "http://x.xn--bcher-kva.example/", "10.1.2.3"),
        ("my_receiver", "http://my_receiver/", "172.18.0.3"),
        ("*", "http://receiver.example/", "127.0.0.1"),
        ("169.254.169.254", "http://169.254.169.254/", "169.254.169.254"),
    ],
)
def test_the_operator_can_allow_it(allow: str, url: str, address: str) -> None:
    assert check(url, allow, resolves_to(address)) == [address]


@pytest.mark.parametrize(
    ("allow", "url", "address"),
    [
        ("10.0.0.0/8", "http://receiver.example/", "172.16.0.1"),
        ("receiver.example", "http://other.example/", "10.1.2.3"),
        ("receiver.example", "http://a.receiver.example/", "10.1.2.3"),
        ("receiver.example:9000", "http://receiver.example/", "10.1.2.3"),
        ("10.1.2.3:9000", "http://receiver.example:9001/", "10.1.2.3"),
        ("*.receiver.example", "http://receiver.example/", "10.1.2.3"),
        ("*.receiver.example", "http://evilreceiver.example/", "10.1.2.3"),
        ("127.0.0.1", "http://localhost/", "::1"),
        ("", "http://receiver.example/", "10.1.2.3"),
    ],
)
def test_it_allows_nothing_else(allow: str, url: str, address: str) -> None:
    with pytest.raises(CallbackRefused):
        check(url, allow, resolves_to(address))


def test_an_allowed_network_does_not_allow_the_hosts_other_addresses() -> None:
    with pytest.raises(CallbackRefused, match=r"172\.16\.0\.1"):
        check("http://receiver.example/", "10.0.0.0/8", resolves_to("10.0.0.1", "172.16.0.1"))


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        "10.0.0.0/8:80",
        "http://receiver.example",
        "a*b.example",
        "*.*",
        "*x",
        "host:0",
        "host:99999",
        ".",
    ],
)
def test_an_entry_that_is_none_is_an_error(entry: str) -> None:
    """Otherwise a slip of the pen would only show when callbacks do not arrive."""
    with pytest.raises(OptionError, match="STENOGRAM_CALLBACK_ALLOW"):
        allow_list(f"receiver.example, {entry}")


def test_an_empty_list_allows_nothing() -> None:
    assert allow_list(" , ,") == ()


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://receiver.example", "receiver.example", "/"),
        ("HTTP://Receiver.Example:80/A?b=c#d", "receiver.example", "/A?b=c"),
        ("https://receiver.example:443", "receiver.example", "/"),
        ("https://receiver.example:80/", "receiver.example:80", "/"),
        ("http://[2606:4700::1111]:8080/", "[2606:4700::1111]:8080", "/"),
        ("http://bücher.example/ä?ö=%20&a[]=1", "xn--bcher-kva.example", "/%C3%A4?%C3%B6=%20&a%5B%5D=1"),
        ("http://receiver.example?token=a/b", "receiver.example", "/?token=a/b"),
    ],
)
def test_a_url_is_taken_apart(url: str, authority: str, path: str) -> None:
    target = parse(url)

    assert (target.authority, target.path) == (authority, path)
