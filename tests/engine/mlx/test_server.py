"""The MLX worker's HTTP: refusals before and in mid-stream, and clients that go away."""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from localai.engine.mlx.server import Job, Server
from localai.errors import ContextOverflow, LocalaiError
from localai.net.connection import accepted, send
from localai.net.framing import ServerRefused, server_sent_events
from localai.net.http import call
from localai.net.unix import UnixConnection

CHAT = "/v1/chat/completions"


@pytest.fixture
def socket() -> Iterator[Path]:
    # Not in tmp_path: that name can be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="localai-") as folder:
        yield Path(folder) / "engine.sock"


@pytest.fixture
def server(socket: Path) -> Iterator[Server]:
    server = Server(str(socket))
    server.serve_in_background()
    yield server
    server.shutdown()
    server.server_close()


def compute(server: Server, what: Callable[[Job], None]) -> None:
    """Play the computing thread for one job."""

    def run() -> None:
        job = server.jobs.get(timeout=10)
        what(job)
        job.end()

    threading.Thread(target=run, daemon=True).start()


def test_health_and_slots_answer_while_something_is_computed(server: Server, socket: Path) -> None:
    assert call(socket, "GET", "/health") == {"status": "ok"}
    assert call(socket, "GET", "/slots") == [{"id": 0, "is_processing": False}]
    server.computing.set()
    assert call(socket, "GET", "/slots") == [{"id": 0, "is_processing": True}]


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("POST", "/completion")])
def test_an_unknown_path_is_404(server: Server, socket: Path, method: str, path: str) -> None:
    with pytest.raises(ServerRefused) as caught:
        call(socket, method, path, {})
    assert caught.value.status == 404


def test_a_body_that_is_no_object_is_400(server: Server, socket: Path) -> None:
    with pytest.raises(ServerRefused) as caught:
        call(socket, "POST", "/tokenize", [1])
    assert caught.value.status == 400
    assert server.jobs.empty()


def test_a_document_comes_back(server: Server, socket: Path) -> None:
    compute(server, lambda job: job.emit({"tokens": [len(job.body["content"])]}))
    assert call(socket, "POST", "/tokenize", {"content": "ünï"}) == {"tokens": [3]}


def posted(connection: UnixConnection) -> HTTPResponse:
    """The answer to a chat; its connection is the caller's to close."""
    send(connection, "POST", CHAT, {})
    return accepted(connection)


def test_a_stream_ends_with_done(server: Server, socket: Path) -> None:
    def two(job: Job) -> None:
        job.emit({"n": 1})
        job.emit({"n": 2})

    compute(server, two)
    connection = UnixConnection(socket)
    assert list(server_sent_events(posted(connection))) == [{"n": 1}, {"n": 2}]
    connection.close()


def test_a_refusal_before_the_first_chunk_has_its_status_and_numbers(
    server: Server, socket: Path
) -> None:
    refusal = ContextOverflow("too long", prompt_tokens=9, context_tokens=8)
    compute(server, lambda job: job.refuse(refusal))
    with pytest.raises(ServerRefused) as caught:
        posted(UnixConnection(socket))
    assert caught.value.status == 400
    assert caught.value.error["n_prompt_tokens"] == 9
    assert caught.value.error["n_ctx"] == 8


def test_a_failure_in_mid_stream_is_an_error_event(server: Server, socket: Path) -> None:
    def half(job: Job) -> None:
        job.emit({"n": 1})
        job.refuse(LocalaiError("out of memory"))

    compute(server, half)
    events = server_sent_events(posted(UnixConnection(socket)))
    assert next(events) == {"n": 1}
    with pytest.raises(ServerRefused, match="out of memory"):
        next(events)


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_client_that_goes_away_cancels_its_job(server: Server, socket: Path, chunks: int) -> None:
    connection = UnixConnection(socket)
    connection.request("POST", CHAT, b"{}", {"Content-Type": "application/json"})
    job = server.jobs.get(timeout=10)
    for number in range(chunks):
        job.emit({"n": number})
    time.sleep(0.1)
    assert not job.cancelled.is_set()
    connection.close()
    assert job.cancelled.wait(timeout=2)


def test_jobs_wait_in_the_order_they_came(server: Server, socket: Path) -> None:
    for number in range(3):
        connection = UnixConnection(socket)
        connection.request("POST", CHAT, b'{"n": %d}' % number)
        assert server.jobs.get(timeout=10).body == {"n": number}
        connection.close()
    with pytest.raises(queue.Empty):
        server.jobs.get_nowait()
