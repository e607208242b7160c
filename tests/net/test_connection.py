"""The one base of all HTTP connections: what it opens, and how it says why one was lost."""

from __future__ import annotations

import ast
import errno
import http.client
import socket
import ssl
from pathlib import Path

import pytest

from localai.errors import ConnectionLost, Unreachable
from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.connection import HttpConnection
from localai.net.connection import why_lost
from localai.net.http import JsonServer, call
from localai.net.target import client_target
from tests.support.command import REPOSITORY
from tests.support.processes import free_port


def test_only_the_base_opens_connections() -> None:
    package = REPOSITORY / "localai"
    kinds = {"HTTPConnection", "HTTPSConnection", "create_connection", "AF_UNIX"}
    opening = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
        and (node.func.attr in kinds or any(_names(each, kinds) for each in node.args))
    }
    # A worker listens on its own socket, and the guard judges what others open.
    assert opening - {"engine/mlx/server.py", "privacy/sandbox.py"} == {
        "net/connection.py",
        "net/unix.py",
    }


def _names(node: ast.expr, kinds: set[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in kinds


def test_nobody_there_is_said_alike_by_all_that_stand_on_it(tmp_path: Path) -> None:
    port = free_port()
    dead = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(dead))
    said = []
    with pytest.raises(Unreachable) as refused:
        JsonServer("a server", client_target(f"127.0.0.1:{port}", 1), {}).call("GET", "/")
    said.append(refused.value.message)
    with pytest.raises(Unreachable) as gone:
        call(dead, "GET", "/")
    said.append(gone.value.message)
    with AllowedHosts() as hosts, pytest.raises(ConnectionLost) as lost:
        HttpConnection(hosts).get(f"http://127.0.0.1:{port}/")
    said.append(lost.value.message)
    assert said == [
        f"a server at 127.0.0.1:{port} is not running: nobody listens there",
        "the engine is not running: nobody listens there",
        f"127.0.0.1:{port} is not running: nobody listens there",
    ]


@pytest.mark.parametrize(
    ("error", "says", "may_pass"),
    [
        (ssl.SSLCertVerificationError("no"), "the certificate of x is not trusted here", False),
        (socket.gaierror(-2, "unknown"), "x cannot be found", True),
        (TimeoutError(), "x has not answered for 7 s", True),
        (ConnectionRefusedError(), "x is not running: nobody listens there", True),
        (http.client.RemoteDisconnected("gone"), "x broke off: gone", True),
        (ConnectionResetError(), "x broke off: ConnectionResetError", True),
    ],
)
def test_why_a_connection_was_lost(error: Exception, says: str, may_pass: bool) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed"
    lost = why_lost("x", error, 7)
    assert lost.text.startswith(says)
    assert lost.may_pass == may_pass
    assert bool(lost.remedy) == isinstance(error, ssl.SSLCertVerificationError | socket.gaierror)


def test_a_proxy_that_is_not_there_is_named_and_not_the_host() -> None:
    proxy = client_target("127.0.0.1:3128", 8080)
    lost = why_lost("models.example", ConnectionRefusedError(), None, proxy)
    assert lost.text == (
        "the proxy 127.0.0.1:3128, which leads to models.example, is not running:"
        " nobody listens there"
    )
    assert lost.remedy["check"] == "proxy-down"
    refused = why_lost("models.example", OSError("Tunnel connection failed: 407 Who?"), None, proxy)
    assert refused.text == "the proxy 127.0.0.1:3128 does not connect to models.example: 407 Who?"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no network leads to a server"),
        (PermissionError(errno.EACCES, "Permission denied"), "it runs in a sandbox"),
        (PermissionError(errno.EPERM, "Operation not permitted"), "it runs in a sandbox"),
    ],
)
def test_what_the_system_refuses_is_no_broken_server(error: OSError, text: str) -> None:
    lost = why_lost("a server", error)
    assert text in lost.text
    assert lost.remedy["hint"]
