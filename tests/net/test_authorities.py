"""Whom TLS trusts, on systems that keep their authorities elsewhere than OpenSSL looks."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.errors import Unreachable
from localai.net import authorities
from localai.net.authorities import trusting_context
from localai.net.http import JsonServer
from localai.net.target import client_target
from tests.support.file_server import FileServer


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def empty_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As python.org's Python on macOS and a slim container are: nobody is trusted."""
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    found = ssl.get_default_verify_paths()
    nothing = found._replace(capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[FileServer, Path]]:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {tmp_path}/key -out {tmp_path}/cert"
    subprocess.run(command.split(), check=True, capture_output=True)
    with FileServer(tls=(tmp_path / "cert", tmp_path / "key")) as files:
        files.put("/version", b'{"version": "1"}')
        yield files, tmp_path / "cert"


def get(files: FileServer) -> object:
    return JsonServer("a server", client_target(files.url, 1), {}).call("GET", "/version")


@pytest.mark.usefixtures("empty_store")
def test_without_authorities_of_the_system_there_are_certifis() -> None:
    context = trusting_context()
    assert context.cert_store_stats()["x509_ca"] > 100
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.usefixtures("empty_store")
def test_on_macos_the_keychain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import truststore

    monkeypatch.setattr(authorities, "_PLATFORM", "darwin")
    context = trusting_context()
    assert type(context) is truststore.SSLContext
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("system", ["darwin", "linux"])
def test_what_nobody_vouches_for_is_refused_and_what_the_user_names_is_trusted(
    monkeypatch: pytest.MonkeyPatch, server: tuple[FileServer, Path], system: str
) -> None:
    files, certificate = server
    # Where there is no Keychain, truststore asks OpenSSL.
    monkeypatch.setattr(authorities, "_PLATFORM", system)
    with pytest.raises(Unreachable, match="is not trusted here"):
        get(files)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert get(files) == {"version": "1"}
