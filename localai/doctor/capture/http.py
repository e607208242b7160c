"""One short request to a server on this machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from localai.dataclass import dataclass
from localai.doctor.facts.servers import ServerState
from localai.net.connection import connect, ends_within, send
from localai.net.listener import stranger_listening
from localai.net.target import Target
from localai.privacy.zones import zone_of_host
from localai.types import Zone

LIMIT_S: Final = 3.0
_MOST_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply. `document` is its JSON, if it is JSON; `words` is the text of the system or
    the server."""

    state: ServerState
    status: int | None = None
    document: Any = None
    words: str = ""


def ask(
    host: str,
    port: int,
    path: str,
    *,
    trusted: tuple[str, ...] = (),
    body: Mapping[str, Any] | None = None,
    limit_s: float = LIMIT_S,
) -> Reply:
    """Send GET, or POST with `body`, to `path` of a server on this machine.

    A server of a user who is not `trusted` receives nothing, and a server elsewhere is not asked.
    """
    if zone_of_host(host) is not Zone.DEVICE:
        return Reply("elsewhere", words=f"{host} is not this machine")
    stranger = stranger_listening(host, port, trusted, connected=False)
    if stranger is not None:
        return Reply("stranger", words=stranger)
    method = "GET" if body is None else "POST"
    try:
        heard = ends_within(2 * limit_s)
        target = Target("http", host, port)
        with closing(connect(target, limit_s, connect_timeout_s=limit_s, heard=heard)) as to:
            send(to, method, path, body, {"Accept": "application/json"})
            response = to.getresponse()
            raw = response.read(_MOST_BYTES)
    except ConnectionRefusedError as error:
        return Reply("refused", words=error.strerror or "refused")
    except TimeoutError:
        return Reply("silent", words=f"no answer within {limit_s:g} s")
    except (OSError, http.client.HTTPException) as error:
        return Reply("something_else", words=str(error) or type(error).__name__)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        server = response.getheader("Server") or ""
        text = " ".join(raw[:80].decode("utf-8", "replace").split())
        return Reply("something_else", response.status, words=server or text)
    return Reply("answers", response.status, document)
