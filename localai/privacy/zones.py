"""The zone of an address: this device, the local network, or beyond. Pure: no look-ups, no sockets
opened, no configuration.

The *address* is judged, never the name. Of this machine's addresses only loopback is DEVICE: a
server bound to the machine's own 192.168.1.5 is reachable from the network, so it counts as LAN.
"""

from __future__ import annotations

import socket

from localai.types import Zone

# The first network that contains the address decides; an address in none of them is CLOUD.
_IPV4 = (
    ("0.0.0.0/32", Zone.DEVICE),  # as a destination: this machine
    ("127.0.0.0/8", Zone.DEVICE),
    ("10.0.0.0/8", Zone.LAN),
    ("100.64.0.0/10", Zone.LAN),  # carrier-grade NAT, and Tailscale's machines
    ("169.254.0.0/16", Zone.LAN),
    ("172.16.0.0/12", Zone.LAN),
    ("192.168.0.0/16", Zone.LAN),
    ("224.0.0.0/4", Zone.LAN),
    ("255.255.255.255/32", Zone.LAN),
)
_IPV6 = (
    ("::/128", Zone.DEVICE),
    ("::1/128", Zone.DEVICE),
    ("fe80::/10", Zone.LAN),
    ("fec0::/10", Zone.LAN),
    ("fc00::/7", Zone.LAN),
    ("ff00::/8", Zone.LAN),
)
_MAPPED = bytes(10) + b"\xff\xff"
# A translator or relay on another machine unpacks the IPv4 address, so even a 127.0.0.1 in it
# leaves this machine.
_NAT64 = b"\x00\x64\xff\x9b" + bytes(8)
_6TO4 = b"\x20\x02"
# Sockets of these families end in this machine's kernel or file system. AF_NETLINK is Linux's.
_DEVICE_FAMILIES = frozenset({int(socket.AF_UNIX), int(getattr(socket, "AF_NETLINK", -1))})


def literal_address(host: str) -> bytes | None:
    """The 4 or 16 bytes of the numeric address `host`; None if `host` is a name.

    It accepts the forms that libc accepts: scopes (`fe80::1%eth0`), short forms (`127.1`,
    `0x7f000001`). An IPv4-mapped IPv6 address becomes the IPv4 address that it reaches.
    """
    try:
        return socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        pass
    try:
        address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return _short_ipv4(host)
    return address[12:] if address.startswith(_MAPPED) else address


def _short_ipv4(host: str) -> bytes | None:
    # inet_aton stops at white space; getaddrinfo would ask DNS for the whole text.
    if not host or any(character.isspace() for character in host):
        return None
    try:
        return socket.inet_aton(host)
    except (OSError, ValueError):
        return None


def zone_of_address(address: bytes) -> Zone:
    """The zone of an IPv4 (4 bytes) or IPv6 (16 bytes) address. Raises ValueError for others."""
    if len(address) == 4:
        return _first_match(address, _IPV4_NETWORKS)
    if len(address) != 16:
        raise ValueError(f"an address has 4 or 16 bytes, not {len(address)}")
    if address.startswith(_MAPPED):
        return zone_of_address(address[12:])
    if address.startswith(_NAT64):
        return max(Zone.LAN, zone_of_address(address[12:]))
    if address.startswith(_6TO4):
        return max(Zone.LAN, zone_of_address(address[2:6]))
    return _first_match(address, _IPV6_NETWORKS)


def zone_of_host(host: str) -> Zone | None:
    """The zone of a literal address; None for a name, which has no zone until it is resolved."""
    address = literal_address(host)
    return None if address is None else zone_of_address(address)


def zone_of_family(family: int) -> Zone | None:
    """The zone of a socket family, without its address.

    Families that cannot leave the machine are DEVICE. Families that localai never uses (packet,
    VSOCK, Bluetooth …) are CLOUD. None is for IPv4 and IPv6, where the address decides.
    """
    if family in _DEVICE_FAMILIES:
        return Zone.DEVICE
    return None if family in (socket.AF_INET, socket.AF_INET6) else Zone.CLOUD


_Network = tuple[int, int, Zone]


def _network(family: int, text: str, zone: Zone) -> _Network:
    prefix, _, length = text.partition("/")
    packed = socket.inet_pton(family, prefix)
    shift = len(packed) * 8 - int(length)
    return int.from_bytes(packed, "big") >> shift, shift, zone


def _first_match(address: bytes, networks: tuple[_Network, ...]) -> Zone:
    number = int.from_bytes(address, "big")
    for prefix, shift, zone in networks:
        if number >> shift == prefix:
            return zone
    return Zone.CLOUD


_IPV4_NETWORKS = tuple(_network(socket.AF_INET, text, zone) for text, zone in _IPV4)
_IPV6_NETWORKS = tuple(_network(socket.AF_INET6, text, zone) for text, zone in _IPV6)
