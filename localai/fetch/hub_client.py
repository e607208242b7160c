"""`huggingface_hub`, confined to allowed hosts and to responses of a bounded size.

The library reads the environment when it is imported and keeps one client for the process. So it is
imported only here, inside functions, while a download is granted.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from localai.errors import (
    InvalidInput,
    LocalaiError,
    NotFound,
    ProviderRefused,
    Unreachable,
    find_localai_error,
)
from localai.fetch.allowed_hosts import AllowedHosts, WebServer, web_server
from localai.net.bounded import TimeLimit, tell_of_bytes
from localai.net.connection import why_lost
from localai.privacy.zones import zone_of_host
from localai.redaction import remember
from localai.types import Zone

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LARGEST_RESPONSE_BYTES: Final = 64 << 20
"""Of lists and small files. Larger files come through our own downloader."""

TIMEOUT_S: Final = 30.0
_LONGEST_S: Final = 600.0


def hub_api(endpoint: str, hosts: AllowedHosts) -> HfApi:
    """The library's API for the hub at `endpoint`, whose requests go only where `hosts` permits.

    The user's token, if there is one, becomes `hosts`'s credentials for that hub only, and only
    over https.
    """
    from huggingface_hub import HfApi, get_session, get_token, set_client_factory
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    server = web_server(endpoint)
    # The HTTP library is httpx or httpx2, depending on the version of huggingface_hub.
    client = type(get_session())
    set_client_factory(lambda: _client(client, hosts, server))
    token = get_token() if sends_token(server) else None
    if token:
        remember(token)
    if token:
        hosts.credentials[server] = f"Bearer {token}"
    return HfApi(endpoint=endpoint, token=token or False)


def sends_token(hub: WebServer) -> bool:
    """Whether `hub` gets the user's token. Not over plain http, where everybody on the way can read
    it, unless the hub is on this machine."""
    return hub.scheme == "https" or zone_of_host(hub.host) is Zone.DEVICE


@contextlib.contextmanager
def hub_errors(repo: str, hub: str) -> Iterator[None]:
    """Turn the exceptions of the library about `repo` into our errors."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ProviderRefused(
            f"{repo} is gated: {hub} serves it to who has accepted its licence",
            hint=f"accept it at https://{hub}/{repo}, then log in",
            command="hf auth login",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise NotFound(
            f"{hub} has no {repo}, or shows it to its owners only",
            hint="check the name; a private one needs an account",
            command="hf auth login",
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refusal(error.response.status_code, repo, hub) from error
    except LocalaiError:
        raise
    except (OSError, ValueError, RuntimeError, AttributeError, TypeError, KeyError) as error:
        raise find_localai_error(error) or _unexpected(error, repo, hub) from error
    except Exception as error:
        # The exceptions of the HTTP library, which may be one of several.
        raise find_localai_error(error) or _unreachable(error, hub) from error


def _client(kind: Any, hosts: AllowedHosts, hub: WebServer) -> Any:
    module = sys.modules[kind.__module__.partition(".")[0]]

    class Bounded(module.SyncByteStream):  # type: ignore[misc, name-defined]
        """A body of a bounded size."""

        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for piece in self._stream:
                size += len(piece)
                if size > LARGEST_RESPONSE_BYTES:
                    raise InvalidInput(f"{hub.shown} sends an answer without an end: stopped")
                yield piece

        def close(self) -> None:
            self._stream.close()

    class Transport(module.HTTPTransport):  # type: ignore[misc, name-defined]
        """Connects; by a proxy it enters the server behind it."""

        def handle_request(self, request: Any) -> Any:
            here.limit = TimeLimit(_LONGEST_S)
            with hosts.passed_on(web_server(str(request.url))):
                return super().handle_request(request)

    def permit(request: Any) -> None:
        target = web_server(str(request.url))
        if target != hub:
            hosts.permit_redirect(hub, target)

    def bound(response: Any) -> None:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding not in ("", "identity"):
            raise InvalidInput(
                f"{hub.shown} sends its answer compressed ({encoding}), which was not asked for: "
                "nothing of it was unpacked"
            )
        response.stream = Bounded(response.stream)

    # The library asks from several threads, each of which reads what it asked for.
    here = threading.local()
    proxy = hosts.proxy if hosts.proxied(hub) else None
    transport = Transport(
        verify=hosts.tls(),
        proxy=None if proxy is None else f"http://{proxy.shown}",
        trust_env=False,
    )
    tell_of_bytes(transport, lambda: here.limit.heard)
    return kind(
        event_hooks={"request": [permit], "response": [bound]},
        headers={"Accept-Encoding": "identity"},
        follow_redirects=True,
        timeout=TIMEOUT_S,
        transport=transport,
        trust_env=False,
    )


def _refusal(status: int, repo: str, hub: str) -> LocalaiError:
    if status == 404:
        return NotFound(f"{hub} has no such file of {repo}")
    if status == 429:
        return ProviderRefused(
            f"{hub} refuses more requests from here for now (HTTP 429)",
            hint="wait some minutes; with an account more are allowed",
            command="hf auth login",
        )
    if status >= 500:
        return Unreachable(f"{hub} is broken at the moment (HTTP {status})")
    return ProviderRefused(
        f"{hub} refuses to serve {repo} (HTTP {status})",
        hint="if it is private, log in",
        command="hf auth login",
    )


def _unexpected(error: Exception, repo: str, hub: str) -> LocalaiError:
    return InvalidInput(f"{hub} gives no sensible answer about {repo}: {error}")


def _unreachable(error: Exception, hub: str) -> LocalaiError:
    # The library's own error holds the system's, which says more.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            lost = why_lost(hub, cause)
            if lost.remedy:
                return Unreachable(lost.text, **lost.remedy)
        cause = cause.__cause__ or cause.__context__
    return Unreachable(
        f"{hub} cannot be reached: {str(error) or type(error).__name__}",
        hint="is the network there?",
        check="network --online",
    )
