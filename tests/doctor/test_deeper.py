"""`--deep` and `--online`: what is tried, and what is asked of others."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from localai.doctor.capture.online import issuer_of
from localai.output.documents.doctor import Doctor
from localai.paths import Paths
from localai.stores.starter import starter_path
from tests.support.command import RunLocalai
from tests.support.processes import free_port
from tests.support.promise import checked


class _Page(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    return smollm2_path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, as a company's inspection makes one."""
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    key = file.with_name("key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/O=Example Corp/CN=Example Inspection CA"]
    files = ["-keyout", str(key), "-out", str(file)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@pytest.fixture
def intercepted(certificate: Path) -> Iterator[str]:
    """The address of a registry behind that certificate."""
    server = HTTPServer(("127.0.0.1", 0), _Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_intercepts_tls_is_named(run_localai: RunLocalai, intercepted: str) -> None:
    environment = {
        "LOCALAI_REGISTRY_HUB": intercepted,
        "LOCALAI_REGISTRY_OLLAMA": f"http://127.0.0.1:{free_port()}",
    }
    result = run_localai("doctor", "network", "--online", "--json", env=environment)
    assert result.returncode == 8
    found = {each["code"]: each for each in checked(Doctor, result.stdout)["findings"]}
    evidence = [each["value"] for each in found["tls-intercepted"]["evidence"]]
    assert evidence[0] == "Example Inspection CA, Example Corp"
    assert "unset" not in str(found["tls-intercepted"]["fix"]["lines"])


def test_a_registry_whose_authority_is_trusted_is_no_finding(
    run_localai: RunLocalai, certificate: Path, intercepted: str
) -> None:
    # The name in it is not the server's, so it is its authority that is trusted, and no more.
    environment = {
        "LOCALAI_REGISTRY_HUB": intercepted,
        "LOCALAI_REGISTRY_OLLAMA": intercepted,
        "SSL_CERT_FILE": str(certificate),
    }
    result = run_localai("doctor", "network", "--online", env=environment)
    text = result.stdout.decode()
    assert "mismatch" in text or "doesn't match" in text
    assert "self-signed" not in text


def test_a_registry_that_does_not_answer(run_localai: RunLocalai) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    environment = {"LOCALAI_REGISTRY_HUB": nobody, "LOCALAI_REGISTRY_OLLAMA": nobody}
    result = run_localai("doctor", "network", "--online", "--json", env=environment)
    assert result.returncode == 0
    found = checked(Doctor, result.stdout)["findings"]
    assert {each["code"] for each in found} == {"registry-unreachable"}


def test_without_online_nothing_is_asked(run_localai: RunLocalai, intercepted: str) -> None:
    environment = {"LOCALAI_REGISTRY_HUB": intercepted, "LOCALAI_REGISTRY_OLLAMA": intercepted}
    result = run_localai("doctor", "network", env=environment)
    assert b"nothing was asked of another machine" in result.stdout
    assert b"Inspection" not in result.stdout


def test_the_issuer_of_a_certificate_is_read(certificate: Path) -> None:
    pem = certificate.read_text().partition("-----BEGIN PRIVATE")[0]
    assert issuer_of(ssl.PEM_cert_to_DER_cert(pem)) == "Example Inspection CA, Example Corp"


@pytest.mark.parametrize("damage", [b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x03\x30\x01\x02"])
def test_what_is_no_certificate_has_no_issuer(damage: bytes) -> None:
    assert issuer_of(damage) is None


def test_deep_has_the_starter_answer_and_finds_a_changed_file(
    run_localai: RunLocalai, home_with_starter: Paths
) -> None:
    sound = checked(Doctor, run_localai("doctor", "--deep", "--json").stdout)
    codes = {each["code"] for each in sound["findings"]}
    assert not codes & {"starter-fails", "file-digest-wrong", "file-unreadable"}
    file = starter_path(home_with_starter)
    # A link to what all tests share: it is replaced, not changed.
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.unlink()
    file.write_bytes(content)
    result = run_localai("doctor", "--deep", "--json")
    assert result.returncode == 8
    assert "file-digest-wrong" in {
        each["code"] for each in checked(Doctor, result.stdout)["findings"]
    }


def test_deep_without_a_starter_claims_nothing(run_localai: RunLocalai) -> None:
    result = run_localai("doctor", "localai", "--deep", "--json")
    found = checked(Doctor, result.stdout)
    assert "starter-fails" not in {each["code"] for each in found["findings"]}


def test_deep_says_when_the_engine_gives_no_answer(
    run_localai: RunLocalai, home_with_starter: Paths, tmp_path: Path
) -> None:
    file = starter_path(home_with_starter)
    size = file.stat().st_size
    file.unlink()
    with file.open("wb") as empty:
        empty.truncate(size)
    result = run_localai("doctor", "localai", "--deep", "--json")
    assert result.returncode == 8
    assert "starter-fails" in {each["code"] for each in checked(Doctor, result.stdout)["findings"]}


@pytest.mark.parametrize("option", ["--deep", "--online"])
def test_facts_of_another_machine_are_not_looked_at_deeper(
    option: str, run_localai: RunLocalai, tmp_path: Path
) -> None:
    assert run_localai("doctor", "--facts", tmp_path / "facts.json", option).returncode == 2


def test_a_registry_that_refuses_is_told_from_one_that_is_not_there() -> None:
    from localai.doctor.checks import CHECKS
    from localai.doctor.diagnose import diagnose
    from tests.doctor.exhibits import changed, machine_facts, snapshot

    for status, title in ((429, "refuses"), (503, "refuses"), (200, None), (404, None)):
        answer = {"host": "hub.example", "error": "", "status": status, "trusted": True}
        facts = snapshot(changed(machine_facts("linux"), {"asked": [answer]}))
        found = diagnose(facts, [CHECKS["registry-unreachable"]]).findings
        told = [each.title for each in found]
        assert told == ([f"the host hub.example {title}"] if title else [])
