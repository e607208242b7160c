"""Servers whose head never ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from localai.doctor.capture import http, online
from localai.errors import LocalaiError
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.connection import HttpConnection
from localai.net.http import JsonServer
from localai.net.target import Target
from tests.support.clock import within
from tests.support.endless_heads import HEADS, endless_head

pytestmark = pytest.mark.clock


# A download does not read what a refusal says.
@pytest.fixture(params=[each for each in HEADS if each != "a refusal"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with endless_head(request.param) as listens_at:
        yield listens_at


def _call(port: int) -> None:
    JsonServer("it", Target("http", "127.0.0.1", port), {}).call("GET", "/", timeout_s=1)


def _fetch(port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    with AllowedHosts() as hosts:
        hosts.permit(web_server(url))
        HttpConnection(hosts).document(url, "a page")


@pytest.mark.parametrize("ask", [_call, _fetch])
def test_a_head_without_an_end_is_an_error(
    port: int, ask: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localai.net.http._LONGEST_S", 0.0)
    monkeypatch.setattr("localai.fetch.connection._LONGEST_DOCUMENT_S", 1.0)
    with within(20), pytest.raises(LocalaiError) as caught:
        ask(port)
    assert type(caught.value) is not LocalaiError
    assert "end" in caught.value.message


def test_doctor_does_not_wait_for_it_either(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "_LIMIT_S", 0.5)
    with within(20):
        assert http.ask("127.0.0.1", port, "/", limit_s=0.5).state == "something_else"
        asked = online._request(Target("http", "127.0.0.1", port), None)
    assert asked.status in (None, 200)
