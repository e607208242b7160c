"""Rare tasks with Ollama's models: pull, create, quantize, delete.

They use the official package, whose import takes longer than a short answer. So it is imported only
here, and never on the way to an answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import LocalaiError, Unreachable
from localai.files import file_sha256
from localai.net.bounded import (
    TimeLimit,
    read_through,
    tell_of_bytes,
    whole_body,
    whole_lines,
)
from localai.net.target import Target
from localai.progress import Stage, WorkProgress
from localai.wires.ollama.model import blob_of
from localai.wires.ollama.refusals import refusal

if TYPE_CHECKING:
    import httpx
    import ollama

# A layer of 400 GB is hashed without a word, at 150 MB/s for 45 minutes.
_LONGEST_SILENCE_S = 3600.0
_CONNECT_TIMEOUT_S = 10.0
# For a head, a line of progress or a document, from its first byte to its last.
_LONGEST_PART_S = 60.0


def pull(target: Target, name: str, *, insecure: bool = False) -> Iterator[WorkProgress]:
    """Have the daemon fetch `name`; a stopped pull is resumed.

    The daemon connects by itself: neither the guard nor the ledger sees it. `insecure` allows a
    registry without TLS. Raises NotFound, ProviderRefused, Unreachable.
    """
    layers: dict[str, tuple[int, int]] = {}
    with _client(target, name) as client:
        for part in client.pull(name, stream=True, insecure=insecure):
            if part.digest and part.total:
                done = max(part.completed or 0, layers.get(part.digest, (0, 0))[0])
                layers[part.digest] = (done, part.total)
            done_bytes = sum(done for done, _ in layers.values())
            total_bytes = sum(total for _, total in layers.values()) or None
            # By the bytes and not by the status, whose words may change.
            stage: Stage = "verifying" if layers and not part.digest else "downloading"
            yield WorkProgress(stage, done_bytes, total_bytes)


def create(target: Target, name: str, file: Path, *, system: str | None = None) -> None:
    """Make the GGUF `file` a model of Ollama's called `name`; Ollama copies it into its store.

    Raises ProviderRefused if Ollama does not take the file, Unreachable.
    """
    digest = f"sha256:{file_sha256(file)}"
    with _client(target, name) as client:
        client.create_blob(file)
        client.create(model=name, files={file.name: digest}, system=system)


@contextmanager
def quantized(
    target: Target, file: Path, to: str
) -> Iterator[tuple[Iterator[WorkProgress], Callable[[], Path]]]:
    """Have the daemon quantize the GGUF `file` to the type `to` (q4_K_M, …). Yields the progress,
    and a function that returns the result's path in Ollama's store. The path is valid until the end
    of the block; then Ollama deletes the result.

    Raises ProviderRefused if it does not take the type or the file, Unreachable.
    """
    unique = secrets.token_hex(6)
    source, result = f"localai-source-{unique}", f"localai-result-{unique}"

    def progress(client: ollama.Client) -> Iterator[WorkProgress]:
        yield WorkProgress("quantizing")
        digest = f"sha256:{file_sha256(file)}"
        client.create_blob(file)
        # As a model of its own, so that deleting it also deletes its bytes.
        client.create(model=source, files={file.name: digest})
        for part in client.create(model=result, from_=source, quantize=to, stream=True):
            yield WorkProgress("quantizing", part.completed or 0, part.total)

    def blob() -> Path:
        return blob_of(client.show(result).modelfile) or Path("/nonexistent")

    with _client(target, result) as client:
        try:
            yield progress(client), blob
        finally:
            import ollama

            for name in (source, result):
                with suppress(ollama.ResponseError):
                    client.delete(name)


def delete(target: Target, name: str) -> None:
    """Remove the model `name`. Raises NotFound, Unreachable."""
    with _client(target, name) as client:
        client.delete(name)


@contextmanager
def _client(target: Target, model: str) -> Iterator[ollama.Client]:
    import httpx
    import ollama

    limit = TimeLimit(_LONGEST_PART_S)
    transport = httpx.HTTPTransport(trust_env=False)
    tell_of_bytes(transport, lambda: limit.heard)
    try:
        # Not through a proxy of the environment, which would be in the way of loopback.
        yield ollama.Client(
            host=target.url,
            trust_env=False,
            transport=transport,
            follow_redirects=False,
            timeout=httpx.Timeout(_LONGEST_SILENCE_S, connect=_CONNECT_TIMEOUT_S),
            headers={"Accept-Encoding": "identity"},
            event_hooks={
                "request": [lambda request: limit.anew()],
                "response": [lambda response: _bound(response, limit)],
            },
        )
    except ollama.ResponseError as error:
        raise _failure(error, model) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Unreachable(
            f"Ollama at {target.address} does not answer in the form of its API: {error}",
            hint="is it Ollama, and a version that this localai knows? --debug shows where",
        ) from error
    except (ConnectionError, HTTPException, httpx.HTTPError) as error:
        raise Unreachable(
            f"Ollama at {target.address} is not running or broke off: {error}",
            command="ollama serve",
        ) from error


def _bound(response: httpx.Response, limit: TimeLimit) -> None:
    """Let the SDK read no line, no document and no refusal that does not end."""
    import httpx

    def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in whole_lines(pieces):
            limit.anew()
            yield piece

    limit.anew()
    is_progress = "ndjson" in response.headers.get("content-type", "")
    read_through(httpx, response, lines if is_progress else whole_body)


def _failure(error: ollama.ResponseError, model: str) -> LocalaiError:
    missing = "file does not exist" in error.error or "not found" in error.error
    status = 404 if missing else error.status_code
    return refusal(status if status > 0 else 500, {"error": error.error}, model, None)
