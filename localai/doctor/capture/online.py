"""The registries' answers. They are asked only with `--online`, each under a grant of its own."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from localai.doctor.capture.context import Context
from localai.doctor.facts.snapshot import AskedRegistry
from localai.errors import LocalaiError
from localai.net.connection import connect, ends_within, send
from localai.net.reach import Reach
from localai.net.target import Target, client_target
from localai.parallel import in_threads
from localai.privacy import guard
from localai.privacy.zones import zone_of_host
from localai.types import Purpose, Zone

_REGISTRIES: Final = ("registry.ollama", "registry.hub")
_LIMIT_S: Final = 6.0
_PROXY_PORT: Final = 3128
_COMMON_NAME: Final = b"\x55\x04\x03"
_ORGANIZATION: Final = b"\x55\x04\x0a"


def asked(context: Context) -> tuple[AskedRegistry, ...]:
    """The answers of each registry of the settings, and of each of the user's own servers on the
    local network, to a request for their first page. Nothing else is sent."""
    targets = [client_target(context.config[key], 443, key) for key in _REGISTRIES]
    targets += _servers_in_lan(context)
    return tuple(in_threads(lambda target: _ask(target, context), targets))


def _servers_in_lan(context: Context) -> Iterator[Target]:
    """The endpoints whose hosts `network.lan` names. Others may not be asked at all."""
    named = {each.lower() for each in context.config["network.lan"]}
    for name, endpoint in context.config.endpoints.items():
        target = client_target(endpoint.url, 80, name)
        if target.host.lower() in named:
            yield target


def _ask(target: Target, context: Context) -> AskedRegistry:
    proxy = _proxy_for(target, context)
    try:
        with _permitted(target, proxy, context):
            return _request(target, proxy)
    except LocalaiError as error:
        return AskedRegistry(target.host, error=error.message)


def _request(target: Target, proxy: Target | None) -> AskedRegistry:
    try:
        connection = connect(
            target,
            _LIMIT_S,
            proxy=proxy,
            connect_timeout_s=_LIMIT_S,
            heard=ends_within(_LIMIT_S),
        )
        try:
            send(connection, "HEAD", "/")
            status = connection.getresponse().status
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        issuer = _issuer_at(target, proxy)
        return AskedRegistry(target.host, error.verify_message, issuer=issuer, trusted=False)
    except (OSError, http.client.HTTPException) as error:
        return AskedRegistry(target.host, getattr(error, "strerror", None) or str(error))
    return AskedRegistry(
        target.host, "", status, trusted=True if target.scheme == "https" else None
    )


def _proxy_for(target: Target, context: Context) -> Target | None:
    written = context.config["network.proxy"]
    if not written or zone_of_host(target.host) not in (None, Zone.CLOUD):
        return None
    return client_target(written, _PROXY_PORT, "network.proxy")


@contextmanager
def _permitted(target: Target, proxy: Target | None, context: Context) -> Iterator[None]:
    """The guard's grant for one request. On this machine none is needed."""
    if proxy is not None:
        users = tuple(context.config["network.users"])
        reached = Reach(
            proxy.host,
            proxy.port,
            Zone.CLOUD,
            passed_on_to=target.host,
            who="the proxy",
            users=users,
        )
        with reached.grant(Purpose.PROBE):
            yield
    elif zone_of_host(target.host) is Zone.DEVICE:
        yield
    else:
        is_named = target.host.lower() in map(str.lower, context.config["network.lan"])
        zone = zone_of_host(target.host) or (Zone.LAN if is_named else Zone.CLOUD)
        with guard.grant(Purpose.PROBE, target.host, target.port, zone=zone):
            yield


def _issuer_at(target: Target, proxy: Target | None) -> str | None:
    """The issuer of the certificate that the server shows. Only the handshake is sent."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        connection = connect(
            target, _LIMIT_S, proxy=proxy, tls=lambda: unverified, connect_timeout_s=_LIMIT_S
        )
        try:
            sock = connection.sock
            shown = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, socket.gaierror):
        return None
    return None if shown is None else issuer_of(shown)


def issuer_of(certificate: bytes) -> str | None:
    """The issuer in an X.509 certificate (DER): its common name and organization. None if it has
    neither, or if the certificate cannot be read."""
    try:
        whole = next(_elements(certificate))[1]
        fields = list(_elements(next(_elements(whole))[1]))
        # An explicit version comes first; then serial number, algorithm, issuer.
        at = 3 if fields[0][0] == 0xA0 else 2
        names = dict(_names(fields[at][1]))
    except (StopIteration, IndexError, ValueError):
        return None
    found = [names[kind] for kind in (_COMMON_NAME, _ORGANIZATION) if kind in names]
    return ", ".join(dict.fromkeys(found)) or None


def _names(issuer: bytes) -> Iterator[tuple[bytes, str]]:
    for _, together in _elements(issuer):
        for _, pair in _elements(together):
            (_, kind), (_, value) = list(_elements(pair))[:2]
            yield kind, value.decode("utf-8", "replace")


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The ASN.1 elements that stand one after the other, as tag and content. Raises IndexError."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length
