"""A file comes whole, verified and once, whatever the network, the server and the disk do."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import stat
import subprocess
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localai.errors import (
    ConnectionLost,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    Unreachable,
)
from localai.fetch import connection, partial
from localai.fetch.allowed_hosts import AllowedHosts, WebServer, web_server
from localai.fetch.connection import HttpConnection
from localai.fetch.download import fetch_file
from localai.fetch.gguf_url import file_name
from localai.fetch.partial import RemoteFile, left_bytes
from localai.fetch.plan import Pulled, PullEvent
from localai.fetch.remote import RemotePrefix
from localai.fetch.transfer import CONNECTIONS
from localai.net.connection import connect
from localai.progress import WorkNote, WorkProgress
from tests.support.clock import becomes, within
from tests.support.file_server import FileServer, Handler, Served

CHUNK = 256 << 10
CONTENT = random.Random(0).randbytes(10 * CHUNK + 12_345)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "CHUNK_BYTES", CHUNK)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        server.put("/file", CONTENT)
        yield server


def remote(server: FileServer, folder: Path, sha256: str | None = SHA256) -> RemoteFile:
    """The file as a plan makes it: asked about first."""
    with AllowedHosts() as hosts:
        opened = HttpConnection(hosts)
        prefix = RemotePrefix(opened, f"{server.url}/file", "file")
        prefix.close()
        opened.close()
    server.requests.clear()
    server.sent_bytes = 0
    return RemoteFile(
        name="file",
        url=f"{server.url}/file",
        size_bytes=prefix.size_bytes,
        target=folder / "store" / "file",
        staging=folder / "staging",
        sha256=sha256,
        validator=prefix.validator,
        ranges=prefix.ranges,
    )


def fetch(file: RemoteFile, patience_s: float = 5.0) -> list[PullEvent]:
    with AllowedHosts() as hosts:
        return list(fetch_file(file, hosts, patience_s=patience_s))


def notes(events: list[PullEvent]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, WorkNote))


def nothing_is_left(folder: Path) -> bool:
    return not any(path.is_file() for path in folder.rglob("*"))


def only_the_file_is_there(file: RemoteFile, content: bytes = CONTENT) -> bool:
    return file.target.read_bytes() == content and not file.staging.exists()


# What goes well


def test_chunks_come_in_parallel_and_make_one_file(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    events = fetch(file)
    assert events[-1] == Pulled(file.target, len(CONTENT), SHA256, fetched=True)
    assert only_the_file_is_there(file)
    assert len({request.headers["range"] for request in server.requests}) == 11
    assert server.sent_bytes == len(CONTENT)


def test_progress_goes_up_to_the_whole(server: FileServer, tmp_path: Path) -> None:
    server.bytes_per_s = 2e6
    progress = [e for e in fetch(remote(server, tmp_path)) if isinstance(e, WorkProgress)]
    arriving = [each.done_bytes for each in progress if each.stage == "downloading"]
    assert arriving == sorted(arriving)
    assert len(arriving) > 3
    assert progress[-1] == WorkProgress("verifying", len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_sends_it_in_one_piece(server: FileServer, tmp_path: Path) -> None:
    server.files["/file"].ranges = False
    file = remote(server, tmp_path)
    assert not file.ranges
    fetch(file)
    assert only_the_file_is_there(file)


def test_an_empty_file_is_one_too(server: FileServer, tmp_path: Path) -> None:
    server.put("/file", b"")
    empty = RemoteFile("file", f"{server.url}/file", 0, tmp_path / "f", tmp_path / "s")
    fetch(empty)
    assert only_the_file_is_there(empty, b"")


def test_what_is_there_is_verified_and_not_fetched(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    fetch(file)
    server.requests.clear()
    assert fetch(file)[-1] == Pulled(file.target, len(CONTENT), SHA256, fetched=False)
    assert server.requests == []


def test_what_nobody_vouches_for_is_not_fetched_again_while_the_server_says_it_is_the_same(
    server: FileServer, tmp_path: Path
) -> None:
    fetch(remote(server, tmp_path, sha256=None))
    again = remote(server, tmp_path, sha256=None)
    assert fetch(again)[-1] == Pulled(again.target, len(CONTENT), SHA256, fetched=False)
    assert server.sent_bytes == 0


def test_another_file_of_the_same_size_is_fetched(server: FileServer, tmp_path: Path) -> None:
    fetch(remote(server, tmp_path, sha256=None))
    other = CONTENT[::-1]
    server.put("/file", other)
    changed = remote(server, tmp_path, sha256=None)
    assert fetch(changed)[-1] == Pulled(
        changed.target, len(other), hashlib.sha256(other).hexdigest(), fetched=True
    )
    assert only_the_file_is_there(changed, other)


def test_a_file_that_somebody_changed_here_is_fetched_again(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path, sha256=None)
    fetch(file)
    file.target.write_bytes(CONTENT[::-1])
    fetch(remote(server, tmp_path, sha256=None))
    assert only_the_file_is_there(file)


def test_two_at_a_time_share_one_download(server: FileServer, tmp_path: Path) -> None:
    server.bytes_per_s = 1e6
    file = remote(server, tmp_path)
    results: list[list[PullEvent]] = []
    threads = [threading.Thread(target=lambda: results.append(fetch(file))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [events[-1].fetched for events in results if isinstance(events[-1], Pulled)] == [
        True,
        False,
    ]
    assert WorkProgress("waiting") in results[1]
    assert server.sent_bytes == len(CONTENT)
    assert only_the_file_is_there(file)


def test_a_redirect_is_followed_once_for_all_chunks(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    with FileServer() as other:
        server.redirect("/file", other.put("/signed", CONTENT))
        fetch(file)
    assert only_the_file_is_there(file)
    assert len(server.requests) <= 4
    assert len(other.requests) == 11


def test_a_signed_address_that_expired_is_asked_for_again(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path)
    with FileServer() as other:
        served = Served(CONTENT)

        def signed(handler: Handler) -> None:
            """Good for one request each."""
            if other.paths().count(handler.path) > 1:
                handler.answer(403, b"expired")
            else:
                handler.serve(served)

        def sign(handler: Handler) -> None:
            path = f"/signed-{len(server.requests)}"
            other.scripts[path] = signed
            handler.answer(302, b"", {"Location": other.url + path})

        server.scripts["/file"] = sign
        fetch(file)
    assert only_the_file_is_there(file)
    assert len(other.requests) > 11


# What the network does


def test_a_connection_that_breaks_is_made_anew(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    server.drop_after, server.drops = 100_000, 7
    fetch(file)
    assert only_the_file_is_there(file)


def test_a_broken_stream_without_ranges_begins_again(server: FileServer, tmp_path: Path) -> None:
    server.files["/file"].ranges = False
    file = remote(server, tmp_path)
    server.drop_after, server.drops = 1_000_000, 1
    fetch(file)
    assert only_the_file_is_there(file)


def test_a_server_that_is_restarted_is_waited_for(tmp_path: Path) -> None:
    first = FileServer()
    first.put("/file", CONTENT)
    file = remote(first, tmp_path)
    first.bytes_per_s = 400e3
    events: list[PullEvent] = []
    thread = threading.Thread(target=lambda: events.extend(fetch(file, patience_s=20)))
    thread.start()
    assert becomes(lambda: first.sent_bytes > 500_000, 10)
    first.stop()
    assert not becomes(lambda: not thread.is_alive(), 1)
    with FileServer(port=first.port) as second:
        second.put("/file", CONTENT)
        thread.join()
        assert second.sent_bytes < len(CONTENT)
    assert only_the_file_is_there(file)
    assert "nobody listens there; trying again" in notes(events)


def test_a_server_that_stays_away_is_given_up_and_what_came_is_kept(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path)
    server.drop_after, server.drops = 100_000, 10_000
    threading.Timer(0.5, server.stop).start()
    with pytest.raises(ConnectionLost) as given_up:
        fetch(file, patience_s=1.5)
    assert given_up.value.hint == "run the same command again: it goes on where it stopped"
    assert not file.target.exists()
    kept = left_bytes(file)
    assert kept > 0
    with FileServer(port=server.port) as again:
        again.put("/file", CONTENT)
        fetch(file)
        assert again.sent_bytes == len(CONTENT) - kept
    assert only_the_file_is_there(file)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_busy_server_is_asked_again_when_it_says(
    server: FileServer, tmp_path: Path, status: int
) -> None:
    file = remote(server, tmp_path)

    def busy(handler: Handler) -> None:
        del server.scripts["/file"]
        handler.answer(status, b"", {"Retry-After": "0"})

    server.scripts["/file"] = busy
    fetch(file)
    assert only_the_file_is_there(file)


@pytest.mark.clock
def test_a_server_that_says_nothing_more_is_left_at_once(
    server: FileServer, tmp_path: Path
) -> None:
    file, served = remote(server, tmp_path), server.files["/file"]
    never = threading.Event()

    def silent(handler: Handler) -> None:
        if len(server.requests) > CONNECTIONS:
            never.wait(60)
        handler.serve(served)

    server.scripts["/file"] = silent
    with AllowedHosts() as hosts:
        events = fetch_file(file, hosts)
        assert isinstance(events, Generator)
        next(event for event in events if len(server.requests) > CONNECTIONS)
        with within(2):
            events.close()
    never.set()
    fetch(file)
    assert only_the_file_is_there(file)


@pytest.mark.clock
def test_a_server_that_takes_no_connection_is_left_at_once(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = remote(server, tmp_path)
    connecting: list[threading.Thread] = []
    may = threading.Event()

    def slow(*arguments: Any, **options: Any) -> http.client.HTTPConnection:
        connecting.append(threading.current_thread())
        may.wait(60)
        return connect(*arguments, **options)

    monkeypatch.setattr(connection, "connect", slow)
    with AllowedHosts() as hosts:
        events = fetch_file(file, hosts)
        assert isinstance(events, Generator)
        next(events)
        assert becomes(lambda: len(connecting) == CONNECTIONS, 10)
        with within(2):
            events.close()
    may.set()
    for thread in connecting:
        thread.join(60)
    assert server.requests == [], "nothing is asked any more"
    fetch(file)
    assert only_the_file_is_there(file)


# What the other side of a resumed download may have become


def _half(server: FileServer, file: RemoteFile) -> int:
    """Leave half a download, as one that was cut off does; how much is there."""
    server.bytes_per_s = 400e3
    with AllowedHosts() as hosts:
        events = fetch_file(file, hosts)
        for event in events:
            if isinstance(event, WorkProgress) and event.done_bytes > 600_000:
                break
        events.close()  # type: ignore[attr-defined]
    assert becomes(lambda: server.idle, 5)
    server.bytes_per_s, server.sent_bytes = None, 0
    return left_bytes(file)


def test_a_download_that_was_left_goes_on(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    there = _half(server, file)
    fetch(file)
    assert server.sent_bytes == len(CONTENT) - there
    assert only_the_file_is_there(file)


def test_what_was_left_without_a_known_digest_goes_on_if_the_etag_is_the_same(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path, sha256=None)
    there = _half(server, file)
    assert fetch(file)[-1] == Pulled(file.target, len(CONTENT), SHA256, fetched=True)
    assert server.sent_bytes == len(CONTENT) - there


def test_what_was_left_of_a_file_that_nothing_identifies_is_not_gone_on_with(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"].etag = False
    file = remote(server, tmp_path, sha256=None)
    assert file.validator is None
    _half(server, file)
    other = CONTENT[::-1]
    server.files["/file"].content = other
    digest = hashlib.sha256(other).hexdigest()
    assert fetch(file)[-1] == Pulled(file.target, len(other), digest, fetched=True)
    assert server.sent_bytes == len(other)
    assert only_the_file_is_there(file, other)


def test_a_file_that_changed_in_between_is_fetched_from_the_start(
    server: FileServer, tmp_path: Path
) -> None:
    _half(server, remote(server, tmp_path, sha256=None))
    other = CONTENT[::-1]
    server.put("/file", other)
    changed = remote(server, tmp_path, sha256=None)
    assert "file has changed on the server: from the start again" in notes(fetch(changed))
    assert only_the_file_is_there(changed, other)


def test_a_server_whose_parts_name_no_version_is_asked_for_parts_of_the_same_file(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path, sha256=None)
    _half(server, file)
    other = CONTENT[::-1]
    server.put("/file", other)

    def without_version(handler: Handler) -> None:
        handler.serve(replace(server.files["/file"], etag=handler.headers["Range"] is None))

    server.scripts["/file"] = without_version
    assert "file has changed on the server: from the start again" in notes(fetch(file))
    assert only_the_file_is_there(file, other)


def test_a_file_that_changes_meanwhile_is_fetched_from_the_start(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path, sha256=None)
    other = CONTENT[::-1] + b"longer"
    server.bytes_per_s = 1e6
    threading.Timer(0.3, lambda: server.put("/file", other)).start()
    events = fetch(file)
    assert "file has changed on the server: from the start again" in notes(events)
    assert only_the_file_is_there(file, other)


def test_a_file_that_never_stays_the_same_is_given_up(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path, sha256=None)

    def always_another(handler: Handler) -> None:
        handler.serve(Served(os.urandom(len(CONTENT))))

    server.scripts["/file"] = always_another
    with pytest.raises(InvalidInput, match="another file each time"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_damaged_remains_are_noticed_and_fetched_again(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    _half(server, file)
    with (file.staging / f"{SHA256}.part").open("r+b") as data:
        data.write(b"after a power cut")
    assert "what an earlier run had left is damaged" in notes(fetch(file))
    assert only_the_file_is_there(file)


@pytest.mark.parametrize("state", [b"", b"{}\n", b"\xff" * 100, b'{"format": 1}\n' + bytes(7)])
def test_a_damaged_state_is_no_state(server: FileServer, tmp_path: Path, state: bytes) -> None:
    file = remote(server, tmp_path)
    _half(server, file)
    (file.staging / f"{SHA256}.state").write_bytes(state)
    fetch(file)
    assert only_the_file_is_there(file)


# Servers that lie


def test_another_digest_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path, sha256="0" * 64)
    with pytest.raises(InvalidInput, match=f"has SHA-256 {SHA256}, expected 0000"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_a_size_that_is_another_than_was_vouched_for_leaves_nothing(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path)
    server.put("/file", CONTENT + b"more")
    with pytest.raises(InvalidInput, match="bytes instead of"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_other_bytes_than_asked_for_leave_nothing(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    size = len(CONTENT)
    server.scripts["/file"] = lambda handler: handler.answer(
        206, CONTENT[:10], {"Content-Range": f"bytes 0-9/{size}"}
    )
    with pytest.raises(InvalidInput, match="sends other parts"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_a_body_without_an_end_is_stopped_at_the_size(server: FileServer, tmp_path: Path) -> None:
    server.files["/file"].ranges = False
    file = remote(server, tmp_path)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(CONTENT)

    server.scripts["/file"] = endless
    with pytest.raises(InvalidInput, match="sends more of file than"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_a_file_of_unknown_size_is_not_begun(server: FileServer, tmp_path: Path) -> None:
    def sizeless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(CONTENT)
        handler.close_connection = True

    server.scripts["/file"] = sizeless
    with pytest.raises(InvalidInput, match="does not say how large"):
        remote(server, tmp_path)


@pytest.mark.parametrize("status", [200, 206])
def test_a_file_of_an_impossible_size_is_not_begun(
    server: FileServer, tmp_path: Path, status: int
) -> None:
    def vast(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "9" * 30)
        handler.send_header("Content-Range", f"bytes 0-{'9' * 30}/{'9' * 30}")
        handler.end_headers()
        handler.close_connection = True

    server.scripts["/file"] = vast
    with pytest.raises(InvalidInput, match="does not say"):
        remote(server, tmp_path)


def test_a_compressed_file_is_not_unpacked(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    server.files["/file"].headers["Content-Encoding"] = "gzip"
    with pytest.raises(InvalidInput, match="compressed"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_a_file_that_vanishes_is_not_there(server: FileServer, tmp_path: Path) -> None:
    file = remote(server, tmp_path)
    del server.files["/file"]
    with pytest.raises(NotFound):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_a_redirect_out_of_this_machine_in_the_middle_leaves_nothing(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path)
    server.redirect("/file", "http://192.168.7.7/x")
    with pytest.raises(PolicyRefused, match="from this machine to"):
        fetch(file)
    assert nothing_is_left(tmp_path)


def test_a_link_in_the_staging_folder_is_not_written_through(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server, tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    file.staging.mkdir()
    (file.staging / f"{SHA256}.part").symlink_to(victim)
    with pytest.raises(InvalidInput):
        fetch(file)
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "url",
    [
        "https://h/..%2f..%2fetc%2fpasswd",
        "https://h/.gguf",
        "https://h/.hidden.gguf",
        "https://h/a%00b.gguf",
        "https://h/a%0ab.gguf",
        "https://h/",
    ],
)
def test_a_name_that_is_a_trick_is_no_name(url: str) -> None:
    with pytest.raises(InvalidInput, match="no name for a model file"):
        file_name(url)


def test_a_path_in_a_name_is_only_a_name() -> None:
    assert file_name("https://h/a/..%2f..%2fx.gguf?y=1") == "x.gguf"


# Where a redirect may lead

PUBLIC = WebServer("https", "registry.example", 443)


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1/x",
        "https://localhost:11434/api/tags",
        "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://nas.lan/x",
        "http://cdn.example/x",
        "ftp://cdn.example/x",
        "https://user:password@cdn.example/x",
    ],
)
def test_a_public_server_cannot_reach_into_this_machine_or_its_network(target: str) -> None:
    with AllowedHosts(lan=("nas.lan",)) as hosts, pytest.raises(LocalaiError):
        hosts.permit_redirect(PUBLIC, web_server(target))


def test_a_public_server_may_send_us_on_to_another_which_is_announced_once() -> None:
    told: list[str] = []
    with AllowedHosts(told.append) as hosts:
        for _ in range(2):
            hosts.permit_redirect(PUBLIC, WebServer("https", "cdn.example", 443))
    assert told == ["registry.example sends us on to cdn.example"]


def test_a_name_that_turns_out_to_be_near_is_refused() -> None:
    with AllowedHosts() as hosts:
        hosts.permit(PUBLIC)
        hosts.check_peer(PUBLIC, "93.184.216.34")
        hosts.permit_redirect(PUBLIC, WebServer("https", "cdn.example", 443))
        with pytest.raises(PolicyRefused, match="this machine"):
            hosts.check_peer(WebServer("https", "cdn.example", 443), "127.0.0.1")
        with pytest.raises(PolicyRefused, match="local network"):
            hosts.check_peer(PUBLIC, "10.0.0.1")


# Certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {folder}/key -out {folder}/cert"
    subprocess.run(command.split(), check=True, capture_output=True)
    return folder / "cert", folder / "key"


def test_a_certificate_that_is_not_trusted_is_named_with_the_way_to_trust_it(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileServer(tls=certificate) as server:
        server.put("/file", CONTENT)
        with pytest.raises(Unreachable, match="is not trusted here") as refused:
            remote(server, tmp_path)
        assert "SSL_CERT_FILE" in str(refused.value.hint)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        file = remote(server, tmp_path)
        fetch(file)
    assert only_the_file_is_there(file)


def test_a_file_is_on_the_disk_before_it_has_its_name(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fsync = remote(server, tmp_path), os.fsync
    synced: list[tuple[int, bool]] = []

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            synced.append((status.st_size, file.target.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    fetch(file)
    assert file.target.read_bytes() == CONTENT
    assert (len(CONTENT), False) in synced
