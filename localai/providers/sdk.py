"""What the providers over official SDKs share: their HTTP client and their errors.

The SDKs are slow to import, so they are imported in functions of their provider only. Both speak
through httpx2, which is given to them ready-made: no proxies, no redirects, no settings from the
environment but the certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from localai.net.retry import Busy
from localai.net.target import Target
from localai.wires.refusals import failure, final_error

if TYPE_CHECKING:
    import httpx2

_CONNECT_TIMEOUT_S = 10.0
# A model that reasons before it answers may be silent for minutes.
_READ_TIMEOUT_S = 600.0


def not_installed(package: str) -> InvalidInput:
    """The error for a provider whose SDK is not there."""
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
    """The client that an SDK shall use.

    A connection is used for one request: so each is judged by the guard and entered in the
    ledger, and none is reused at the moment in which the server closes it.
    """
    import httpx2

    return httpx2.Client(
        trust_env=False,
        proxy=None if proxy is None else proxy.url,
        verify=trusting_context(),
        follow_redirects=False,
        timeout=httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
        limits=httpx2.Limits(max_keepalive_connections=0),
    )


def failure_of(error: Exception, who: str, key_remedy: Remedy | None) -> LocalaiError | Busy:
    """Our error for one of an SDK's; `who` is how the message calls the server."""
    ours = find_localai_error(error)
    if ours is not None:
        return ours
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
    # An error event in mid-stream has no status of its own, or the 200 that the stream began with.
    return failure(who, status or 200, inner, headers, key_remedy=key_remedy)


def broken_off(error: Exception, who: str, key_remedy: Remedy | None) -> LocalaiError:
    """As `failure_of`, for an answer that had begun: it is too late to try again."""
    return final_error(failure_of(error, who, key_remedy))
