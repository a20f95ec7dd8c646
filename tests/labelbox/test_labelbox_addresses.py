"""Which URLs may be followed, and to which addresses."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.labelbox.downloads.addresses import ForbiddenAddressError, Origin, addresses_of, is_public, read_url

PIECES = [
    "labelbox",
    "stranger",
    ".org",
    "@",
    "\\",
    "/",
    "//",
    "?",
    "#",
    ":",
    "80",
    "[::1]",
    "%2f",
    "%40",
    " ",
    "\t",
    "a",
]
# RFC 6890, RFC 6598, RFC 5771, RFC 4291, RFC 4193
NOT_PUBLIC = [
    *(
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
    ),
    *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
]
NOT_PUBLIC_6 = ["::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8", "2001:db8::/32", "100::/64", "::/96"]
any_ipv4 = st.ip_addresses(v=4)


def within(networks, kind):
    """Addresses of any of these networks."""
    return st.sampled_from(networks).flatmap(lambda text: st.ip_addresses(network=kind(text)))


@given(st.sampled_from(["http://", "HTTPS://"]), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_url_that_is_read_has_one_reading(scheme, rest):
    """Python's own parser finds the same host and port in every URL that is not refused."""
    try:
        origin = read_url(scheme + rest).origin
    except ForbiddenAddressError:
        return
    other = urlsplit(scheme + rest)
    assert (origin.scheme, origin.host) == (other.scheme, other.hostname)
    assert origin.port == (other.port or {"http": 80, "https": 443}[other.scheme])


@given(st.text())
def test_any_text_is_read_or_refused(text):
    """Nothing but a refusal is raised, whatever an export holds."""
    for url in (text, f"https://{text}", f"https://labelbox.org{text}"):
        with suppress(ForbiddenAddressError):
            assert read_url(url).path.startswith("/")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a",
        "s3://bucket/key",
        "http://",
        "https:///a",
        "http:/labelbox/a",
        "http://[::1",
        "http://labelbox:0/",
        "http://labelbox:99999/",
        "not a url",
        "//labelbox/a",
        r"http://stranger\@labelbox/a",
        "http://labelbox@stranger/a",
        "http://labelbox:x@stranger/a",
        "http://label\tbox/a",
        "http://l%61belbox/a",
        "http://labelbox/a\r\nHost: stranger",
    ],
)
def test_only_plain_http_urls_are_followed(url):
    """Another scheme, no host, a user name, and what two parsers may read in two ways are refused."""
    with pytest.raises(ForbiddenAddressError):
        read_url(url)


def test_a_url_is_read_into_origin_and_path():
    """Case, default ports, blanks and letters beyond ASCII are brought into one form; a fragment is left out."""
    assert read_url("https://API.labelbox.com/a b?c=ü#d").origin == Origin("https", "api.labelbox.com", 443)
    assert read_url("https://API.labelbox.com/a b?c=ü#d").path == "/a%20b?c=%C3%BC"
    assert read_url("http://api.labelbox.com:443/").origin != read_url("https://api.labelbox.com/").origin
    assert read_url("http://[2001:DB8::1]:80/a").url == "http://[2001:db8::1]:80/a"
    assert read_url("http://bücher.example").origin.host == "xn--bcher-kva.example"  # RFC 3492's own example


@given(within(NOT_PUBLIC, IPv4Network))
def test_no_private_ipv4_address_is_public(address):
    """Also where it is written as an IPv6 address: mapped, 6to4 and behind NAT64."""
    packed = int(address)
    mapped, nat64, sixtofour = 0xFFFF << 32 | packed, 0x64FF9B << 96 | packed, 0x2002 << 112 | packed << 80
    assert not is_public(str(address))
    assert not any(is_public(str(IPv6Address(each))) for each in (mapped, nat64, sixtofour))


@given(within(NOT_PUBLIC_6, IPv6Network))
def test_no_private_ipv6_address_is_public(address):
    """Loopback, link-local (with or without a zone), unique local, multicast and documentation."""
    assert not is_public(str(address))
    assert not is_public(f"{address}%eth0")


@given(any_ipv4)
def test_an_ipv4_address_is_public_when_it_lies_outside_every_special_network(address):
    """What is refused is a special network's, by the registries' lists."""
    special = any(address in IPv4Network(network) for network in NOT_PUBLIC)
    assert is_public(str(address)) == (not special)
    assert is_public(str(IPv6Address(0xFFFF << 32 | int(address)))) == is_public(str(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(address):
    """The guard does not refuse what it should let through."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "0", "localhost", "::1", str(IPv4Address(1 << 24 | 127 << 24))]
)
def test_every_spelling_of_this_machine_is_refused_unless_allowed(host):
    """Addresses are judged after the system's own look-up, which knows more spellings than a parser."""
    with pytest.raises(ForbiddenAddressError, match="private or loopback"):
        addresses_of(host, 80, anywhere=False)
    assert addresses_of(host, 80, anywhere=True)
