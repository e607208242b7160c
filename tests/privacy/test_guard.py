"""With the guard installed and nothing granted, only this machine can be reached."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.errors import PolicyRefused, find_localai_error
from tests.privacy import lab
from tests.privacy.child import child_python, in_child
from tests.privacy.ways_out import WAYS


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    """What came of each way out; keys in the environment must change nothing."""
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN"), "not-a-key")
    finished = subprocess.run(
        [sys.executable, "-m", "tests.privacy.ways_out"],
        env=child_python(keys),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    outcomes: dict[str, Any] = json.loads(finished.stdout)
    return outcomes


@pytest.mark.parametrize("way", WAYS)
def test_a_way_out_is_refused_and_the_message_names_it(way: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[way]
    assert outcome.get("refused"), outcome
    assert outcome["exit_code"] == 4
    assert WAYS[way][1] in outcome["message"]
    assert outcome["remedy"]


@lab.needs_lab
@in_child(prepare=lab.enter)
def test_not_even_a_dns_query_leaves_whatever_is_tried() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    with pytest.raises(OSError, match="not known"):  # the resolver of the lab is asked …
        socket.socket().connect(("control.example", 80))
    assert b"control" in lab.queries[0]
    lab.queries.clear()

    from localai.privacy import guard

    guard.install()
    labels = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
    names = st.lists(labels, min_size=1, max_size=4).map(".".join) | st.text(max_size=40)
    calls: dict[str, Callable[[str], object]] = {
        "getaddrinfo": lambda name: socket.getaddrinfo(name, 80),
        "gethostbyname": socket.gethostbyname,
        "gethostbyaddr": socket.gethostbyaddr,
        "connect": lambda name: _non_blocking().connect((name, 80)),
        "connect_ex": lambda name: _non_blocking().connect_ex((name, 80)),
        "sendto": lambda name: _datagram().sendto(b"x", (name, 80)),
        "bind": lambda name: _datagram().bind((name, 0)),
        "bytes": lambda name: socket.getaddrinfo(name.encode(), 80),
    }

    @settings(max_examples=300, deadline=None, database=None)
    @given(st.sampled_from(sorted(calls)), names)
    def nothing_leaves(call: str, name: str) -> None:
        # A TypeError is Python's own, of gethostbyaddr for a name with a null.
        with contextlib.suppress(PolicyRefused, OSError, ValueError, TypeError):
            calls[call](name)
        asked = lab.queries[:]
        lab.queries.clear()
        assert asked == []

    nothing_leaves()  # … and never is with the guard


@in_child()
def test_no_address_elsewhere_can_be_connected_to() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from localai.privacy import guard
    from localai.privacy.zones import zone_of_host
    from localai.types import Zone

    guard.install()

    @settings(max_examples=300, deadline=None, database=None)
    @given(st.ip_addresses(), st.integers(1, 65535), st.sampled_from(["connect", "sendto"]))
    def elsewhere_is_refused(address: Any, port: int, way: str) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if way == "connect" else socket.SOCK_DGRAM
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        target = (str(address), port)
        here = zone_of_host(target[0]) is Zone.DEVICE
        with sock, contextlib.suppress(OSError) if here else pytest.raises(PolicyRefused):
            sock.connect(target) if way == "connect" else sock.sendto(b"", target)

    elsewhere_is_refused()


@in_child()
def test_loopback_and_unix_sockets_pass() -> None:
    from localai.privacy import guard

    guard.install()
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as server:
            port = server.getsockname()[1]
            for name in (host, *(["localhost", "127.1", "0.0.0.0"] if ":" not in host else [])):
                with socket.create_connection((name, port), timeout=5):
                    server.accept()[0].close()
            mapped = socket.socket(family)
            mapped.connect((host, port))
            mapped.close()
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/socket")
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{folder}/socket")
    assert socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)[0] == "127.0.0.1"
    socket.getfqdn("127.0.0.1")
    assert guard.last_refusal() is None


@in_child()
def test_datagrams_within_the_machine_open_no_port_to_the_network() -> None:
    from localai.privacy import guard

    guard.install()
    for family, host in (
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1"),
    ):
        for send in ("sendto", "sendmsg"):
            with (
                socket.socket(family, socket.SOCK_DGRAM) as server,
                socket.socket(family, socket.SOCK_DGRAM) as client,
            ):
                server.bind((host, 0))
                target = (host, server.getsockname()[1])
                if send == "sendto":
                    client.sendto(b"hello", target)
                else:
                    client.sendmsg([b"hello"], [], 0, target)
                assert server.recv(5) == b"hello"
                assert client.getsockname()[0] == host


@in_child()
def test_options_that_steer_nothing_can_be_set() -> None:
    from localai.privacy import guard

    guard.install()
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


@in_child()
def test_local_servers_and_event_loops_work_under_the_guard() -> None:
    import asyncio
    import http.server

    import httpx

    from localai.privacy import guard

    guard.install()
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    assert httpx.get(f"http://localhost:{server.server_port}/").status_code == 200
    threading.Thread(target=server.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    assert urllib.request.urlopen(url, timeout=5).status == 200

    async def echo() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(b"hello\n")
        return await reader.read()

    assert asyncio.run(echo()) == b"hello\n"


@pytest.mark.parametrize("client", ["urllib", "httpx"])
def test_a_proxy_on_loopback_gets_nothing(client: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("http_proxy", "HTTPS_PROXY", "ALL_PROXY")
        script = f"""
from localai.privacy import guard
guard.install()
import urllib.request, httpx
get = {{"urllib": urllib.request.urlopen, "httpx": httpx.get}}[{client!r}]
try:
    get("http://elsewhere.example/")
except Exception as error:
    print(type(error).__name__)
"""
        finished = subprocess.run(
            [sys.executable, "-c", script],
            env=child_python(dict.fromkeys(names, address)),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        proxy.settimeout(0.2)
        with pytest.raises(TimeoutError):
            proxy.accept()
    assert finished.stdout == "PolicyRefused\n"


@in_child()
def test_a_program_starts_only_where_a_child_is_allowed_and_in_that_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from localai.privacy import guard

    guard.install()
    run = ["true"]
    with guard.child("the test"):
        subprocess.run(run, check=True)
        with guard.child("nested"):
            subprocess.run(run, check=True)
        os.waitpid(os.posix_spawnp("true", run, {}), 0)
        assert os.system("true") == 0
        with ThreadPoolExecutor(1) as pool, pytest.raises(PolicyRefused):
            pool.submit(subprocess.run, run).result()
    with pytest.raises(PolicyRefused, match="'true'"):
        subprocess.run(run, check=True)


@in_child()
def test_a_forked_copy_carries_the_guard() -> None:
    from localai.privacy import guard

    guard.install()
    pid = os.fork()
    if pid == 0:
        try:
            socket.getaddrinfo("elsewhere.example", 80)
        except PolicyRefused:
            try:
                os.execv("/bin/true", ["true"])
            except PolicyRefused:
                os._exit(42)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42


@in_child()
def test_a_process_pool_that_forks_works_and_its_lock_may_have_a_tracker() -> None:
    import multiprocessing

    from localai.privacy import guard

    guard.install()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(len, ("four",)) == 4
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # what tqdm causes on macOS


@in_child()
def test_a_library_that_only_asks_about_the_machine_goes_on_without_the_answer() -> None:
    from localai.privacy import guard

    guard.install()
    assert platform.uname().processor == ""  # `uname -p` was refused like a program not there
    assert guard.last_refusal() is None


@in_child()
def test_a_sub_interpreter_which_no_guard_would_see_is_not_made() -> None:
    from localai.privacy import guard

    guard.install()
    interpreters: Any = pytest.importorskip("_xxsubinterpreters")
    with pytest.raises(RuntimeError):
        interpreters.create()


@in_child()
def test_a_refusal_that_an_sdk_wraps_or_swallows_is_still_found() -> None:
    import anthropic

    from localai.privacy import guard

    guard.install()
    assert guard.last_refusal() is None
    with pytest.raises(anthropic.APIConnectionError) as wrapped:
        anthropic.Anthropic(api_key="not-a-key", max_retries=0).models.list()
    found, kept = find_localai_error(wrapped.value), guard.last_refusal()
    assert isinstance(found, PolicyRefused)
    assert kept is not None
    message = "refused by the privacy policy: look up api.anthropic.com"
    assert kept.message == found.message == message
    assert kept.command == "localai config set cloud.allow anthropic"
    assert kept.__traceback__ is None  # it would keep the SDK's frames and sockets alive


@in_child()
def test_installing_twice_changes_nothing() -> None:
    from localai.privacy import guard

    guard.install()
    connect, environment = socket.socket.connect, dict(os.environ)
    guard.install()
    assert socket.socket.connect is connect
    assert dict(os.environ) == environment


def test_the_guard_is_cheap_to_import() -> None:
    script = (
        "import sys, socket, localai.types; before = set(sys.modules)\n"
        "from localai.privacy import guard; guard.install()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env=child_python(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = finished.stdout.split()
    heavy = {"asyncio", "subprocess", "ssl", "http.client", "ipaddress", "ctypes", "logging"}
    assert not heavy & set(loaded)
    assert len(loaded) < 15, loaded


def _non_blocking() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


def _datagram() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def test_the_child_runner_reports_a_failing_body() -> None:
    with pytest.raises(AssertionError, match="on purpose"):
        fails_on_purpose()


@in_child()
def fails_on_purpose() -> None:
    assert Path("/nowhere").exists(), "on purpose"
