"""What the providers with official SDKs share: their HTTP client and their errors.

The SDKs are slow to import, so they are imported only in functions of their provider. Both use
httpx2 through a client that is made here: no proxies, no redirects, no settings from the
environment except the certificates.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from localai.errors import (
    InvalidInput,
    LocalaiError,
    NotFound,
    Remedy,
    Unreachable,
    find_localai_error,
)
from localai.near_names import did_you_mean
from localai.net.authorities import trusting_context
from localai.net.bounded import (
    TimeLimit,
    beginning,
    read_through,
    tell_of_bytes,
    whole_body,
    whole_events,
)
from localai.net.framing import ServerRefused, unexpected
from localai.net.retry import Busy
from localai.net.target import Target
from localai.wires.refusals import failure, final_error

if TYPE_CHECKING:
    import httpx2

_CONNECT_TIMEOUT_S = 10.0
# A model that reasons before it answers may be silent for minutes.
_READ_TIMEOUT_S = 600.0
_LONGEST_REFUSAL_BYTES = 1 << 20
_LONGEST_BODY_S = 60.0
_HEARD: ContextVar[Callable[[int], None] | None] = ContextVar("heard", default=None)

OTHER_ERRORS = (http.client.HTTPException, ServerRefused, OSError, ValueError)
"""What is raised beside an SDK's own errors and its HTTP client's."""


def not_installed(package: str) -> InvalidInput:
    """The error for a provider whose SDK is not installed."""
    return InvalidInput(
        f"the package {package!r} is not installed",
        hint="in the folder that localai was installed from",
        command="./install.sh --with-cloud",
    )


def no_such_model(provider: str, name: str, known: Iterable[str]) -> NotFound:
    """The error for a model that `provider` does not have, with near names."""
    return NotFound(
        f"{provider} has no model {name!r}",
        hint=did_you_mean(name, known),
        command="localai list",
    )


def http_client(proxy: Target | None) -> httpx2.Client:
    """The HTTP client that an SDK uses.

    A connection serves one request. So the guard judges each and enters it in the ledger, and none
    is reused at the moment when the server closes it.
    """
    import httpx2

    transport = httpx2.HTTPTransport(
        trust_env=False,
        proxy=None if proxy is None else proxy.url,
        verify=trusting_context(),
        limits=httpx2.Limits(max_keepalive_connections=0),
    )
    tell_of_bytes(transport, lambda: _HEARD.get() or TimeLimit(_LONGEST_BODY_S).heard)
    return httpx2.Client(
        trust_env=False,
        transport=transport,
        follow_redirects=False,
        timeout=httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bound, _require_stream]},
    )


def _bound(response: httpx2.Response) -> None:
    """Bound what the SDK reads: of a refusal the first megabyte, of a stream whole events. Raises
    HTTPException for a compressed answer, which could unpack to any size."""
    import httpx2

    packed = response.headers.get("content-encoding", "identity")
    if packed not in ("", "identity"):
        raise http.client.HTTPException(
            f"it sends its answer compressed ({packed}), which was not asked for"
        )
    through: Callable[[Iterable[bytes]], Iterator[bytes]]
    if response.status_code >= 300:
        through = partial(beginning, most=_LONGEST_REFUSAL_BYTES)
    else:
        through = whole_events if _is_stream(response) else whole_body
    read_through(httpx2, response, through)


@contextmanager
def heard_by(heard: Callable[[int], None]) -> Iterator[None]:
    """Have `heard` called with the size of each piece that arrives of the responses to what is
    asked in this block, heads included; otherwise a response must end within a minute."""
    token = _HEARD.set(heard)
    try:
        yield
    finally:
        _HEARD.reset(token)


def _is_stream(response: httpx2.Response) -> bool:
    return "event-stream" in response.headers.get("content-type", "")


def _require_stream(response: httpx2.Response) -> None:
    """Raise the error that a server sends with status 200 instead of the requested stream: the SDK
    would find no event in it and lose its text."""
    asked = response.request.content.replace(b" ", b"")
    if response.status_code >= 300 or b'"stream":true' not in asked or _is_stream(response):
        return
    raise unexpected(b"".join(beginning(response.iter_bytes(), _LONGEST_REFUSAL_BYTES)))


def failure_of(error: Exception, who: str, key_remedy: Remedy | None) -> LocalaiError | Busy:
    """Our error for one of an SDK's; the message calls the server `who`."""
    ours = find_localai_error(error)
    if ours is not None:
        return ours
    if (refused := _refusal_behind(error)) is not None:
        return failure(who, refused.status, refused.error, refused.headers, key_remedy=key_remedy)
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    status = getattr(error, "status_code", None)
    if status is None and inner is None:
        cause = error.__cause__ or error
        return Unreachable(f"{who} does not answer: {cause or type(cause).__name__}")
    if not isinstance(inner, Mapping):
        inner = {"message": str(inner or getattr(error, "message", error))[:500]}
    response = getattr(error, "response", None)
    headers = {} if response is None else response.headers
    # An error event in mid-stream has no status of its own, or the 200 with which the stream began.
    return failure(who, status or 200, inner, headers, key_remedy=key_remedy)


def _refusal_behind(error: BaseException | None) -> ServerRefused | None:
    while error is not None:
        if isinstance(error, ServerRefused):
            return error
        error = error.__cause__
    return None


def broken_off(error: Exception, who: str, key_remedy: Remedy | None) -> LocalaiError:
    """Like `failure_of`, for an answer that had begun: it is too late to try again."""
    return final_error(failure_of(error, who, key_remedy))
