"""Where an address lies: a table of cases, and properties that hold for every address."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from localai.privacy.zones import literal_address, zone_of_address, zone_of_family, zone_of_host
from localai.types import Zone

CASES = {
    Zone.DEVICE: [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "127.1",
        "0x7f000001",
        "2130706433",
        "::1",
        "::",
        "::1%lo",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
    ],
    Zone.LAN: [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "224.0.0.251",
        "239.255.255.250",
        "255.255.255.255",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::fb",
        "::ffff:192.168.1.1",
        "::ffff:100.64.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",  # a translator's loopback is not ours
        "2002:7f00:1::1",
        "2002:c0a8:101::1",
    ],
    Zone.CLOUD: [
        "8.8.8.8",
        "1.1.1.1",
        "0.0.0.1",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "169.253.255.255",
        "192.0.2.1",
        "198.18.0.1",  # where some tunnels put names they then carry away
        "240.0.0.1",
        "2606:4700::1111",
        "2001:db8::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo goes through its server
        "::ffff:8.8.8.8",
        "::127.0.0.1",  # IPv4-compatible: long withdrawn, so nobody's
        "::ffff:0:127.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::127.0.0.1",
        "2002:808:808::1",
    ],
}


@pytest.mark.parametrize(
    ("host", "zone"), [(host, zone) for zone, hosts in CASES.items() for host in hosts]
)
def test_an_address_lies_in_its_zone(host: str, zone: Zone) -> None:
    assert zone_of_host(host) is zone


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "",
        "example.com",
        "127.0.0.1 x",
        "127.0.0.1\n",
        "1.2.3.4.5",
        "::1::",
        "a\0b",
        "é",
    ],
)
def test_a_name_has_no_zone_of_its_own(name: str) -> None:
    assert literal_address(name) is None
    assert zone_of_host(name) is None


@given(st.ip_addresses(v=4))
@example(ipaddress.IPv4Address("127.0.0.1"))
def test_an_ipv4_mapped_address_lies_where_the_ipv4_address_does(
    address: ipaddress.IPv4Address,
) -> None:
    assert zone_of_host(f"::ffff:{address}") is zone_of_address(address.packed)


@given(st.ip_addresses())
@example(ipaddress.ip_address("::1"))
@example(ipaddress.ip_address("0.0.0.0"))
def test_only_loopback_and_unspecified_are_this_machine(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assume(getattr(address, "ipv4_mapped", None) is None)
    here = zone_of_address(address.packed) is Zone.DEVICE
    assert here == (address.is_loopback or address.is_unspecified)


@given(st.ip_addresses())
def test_a_global_address_is_never_near(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    embedded = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    assume(address.is_global and not address.is_multicast and embedded is None)
    assume(
        all(address not in ipaddress.ip_network(other) for other in ("64:ff9b::/96", "fec0::/10"))
    )
    assert zone_of_address(address.packed) is Zone.CLOUD


@given(st.ip_addresses())
def test_text_and_bytes_of_an_address_agree(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    packed = literal_address(str(address))
    assert packed is not None
    assert zone_of_address(packed) is zone_of_address(address.packed)


def test_an_address_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="4 or 16 bytes, not 6"):
        zone_of_address(b"123456")


def test_unix_sockets_stay_here_and_unknown_families_do_not() -> None:
    assert zone_of_family(socket.AF_UNIX) is Zone.DEVICE
    assert zone_of_family(socket.AF_INET) is None
    assert zone_of_family(socket.AF_INET6) is None
    assert zone_of_family(40) is Zone.CLOUD
