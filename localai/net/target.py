"""The address of the user's own server, parsed from the forms in which people write it. Pure.

An address that a server listens on (`0.0.0.0`, everywhere) becomes one that a client can connect to
(`127.0.0.1`).
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.units import whole_number

# From the address that a server listens on to the one at which a client on the same machine reaches
# it. `localhost` is in the table because some machines try ::1 for it first, and a refused attempt
# takes seconds.
_REACHED_AT = {
    "": "127.0.0.1",
    "*": "127.0.0.1",
    "0.0.0.0": "127.0.0.1",
    "localhost": "127.0.0.1",
    "::": "::1",
}
_SCHEME_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """An address to connect to. `path` precedes the API's own paths: empty or `/something`."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def address(self) -> str:
        """`host:port`, as users are shown it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, without a slash at the end."""
        return f"{self.scheme}://{self.address}{self.path}"


def split_url(text: str, named: str = "the address") -> SplitResult:
    """The parts of a URL from outside. Raises InvalidInput, which calls the text `named`, if it
    cannot be split (`http://[::1`) or its port is no number."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(f"{named} is {text!r}, and that is no URL: {error}") from error
    return parts


def client_target(written: str | None, default_port: int, named: str = "the address") -> Target:
    """The address that a client connects to for a text such as `OLLAMA_HOST`'s; None and an empty
    text mean this machine at `default_port`.

    `written` is a host, `host:port`, `:port`, a port or a URL. IPv6 addresses may have brackets,
    and the text may have quotes and white space around it. As in Ollama, a URL without a port means
    the scheme's own port. Raises InvalidInput, which calls the text `named`.
    """
    text = (written or "").strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    scheme = scheme.lower()
    if scheme not in _SCHEME_PORTS:
        raise _invalid(named, written)
    authority, _, path = rest.partition("/")
    host, port = _host_and_port(authority)
    if port is None:
        number = _SCHEME_PORTS[scheme] if separator else default_port
    elif port.isascii() and 0 < (whole_number(port) or 0) < 65536:
        number = int(port)
    else:
        raise _invalid(named, written)
    if any(character.isspace() or character in "@\"'" for character in host):
        raise _invalid(named, written)
    host = _REACHED_AT.get(host.lower(), host)
    path = path.strip("/")
    return Target(scheme, host, number, f"/{path}" if path else "")


def _host_and_port(authority: str) -> tuple[str, str | None]:
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else None
    if authority.count(":") > 1:
        return authority, None
    host, colon, port = authority.partition(":")
    if not colon and host.isdecimal():
        return "", host
    return host, port if colon else None


def _invalid(named: str, written: str | None) -> InvalidInput:
    return InvalidInput(
        f"{named} is {written!r}, and that is no address of a server",
        hint="a host and a port, such as 127.0.0.1:11434, or a URL",
        check="server",
    )
