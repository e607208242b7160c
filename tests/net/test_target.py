from __future__ import annotations

import pytest

from localai.errors import InvalidInput
from localai.net.target import Target, client_target

HERE = Target("http", "127.0.0.1", 11434)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, HERE),
        ("", HERE),
        ("  ", HERE),
        ("127.0.0.1", HERE),
        ("127.0.0.1:11434", HERE),
        (" 127.0.0.1:11434\n", HERE),
        ('"127.0.0.1:11434"', HERE),
        ("'127.0.0.1'", HERE),
        # What a server listens on is not what a client connects to.
        ("0.0.0.0", HERE),
        ("0.0.0.0:8080", Target("http", "127.0.0.1", 8080)),
        ("http://0.0.0.0:8080", Target("http", "127.0.0.1", 8080)),
        ("*", HERE),
        ("[::]", Target("http", "::1", 11434)),
        ("[::]:8080", Target("http", "::1", 8080)),
        ("::", Target("http", "::1", 11434)),
        # On some machines `localhost` means ::1 first, and the try there costs two seconds.
        ("localhost", HERE),
        ("LocalHost:8080", Target("http", "127.0.0.1", 8080)),
        (":8080", Target("http", "127.0.0.1", 8080)),
        ("8080", Target("http", "127.0.0.1", 8080)),
        ("gpu-box", Target("http", "gpu-box", 11434)),
        ("gpu-box:8080", Target("http", "gpu-box", 8080)),
        ("192.168.1.7", Target("http", "192.168.1.7", 11434)),
        ("::1", Target("http", "::1", 11434)),
        ("[::1]", Target("http", "::1", 11434)),
        ("[fe80::1%eth0]:8080", Target("http", "fe80::1%eth0", 8080)),
        ("fd00::7", Target("http", "fd00::7", 11434)),
        # As in Ollama, a URL has its scheme's port.
        ("http://gpu-box", Target("http", "gpu-box", 80)),
        ("https://gpu-box", Target("https", "gpu-box", 443)),
        ("HTTPS://gpu-box:8443/", Target("https", "gpu-box", 8443)),
        ("http://127.0.0.1:11434/", HERE),
        ("127.0.0.1:11434/", HERE),
        ("https://example.org/ollama/", Target("https", "example.org", 443, "/ollama")),
        ("https://[fd00::7]:8443/a/b", Target("https", "fd00::7", 8443, "/a/b")),
    ],
)
def test_what_is_written_for_a_server_becomes_what_a_client_connects_to(
    written: str | None, meant: Target
) -> None:
    assert client_target(written, 11434) == meant


@pytest.mark.parametrize(
    "written",
    ["ftp://box", "box:port", "box:99999", "box:0", "box:-1", "two words", "user@box", "box:"],
)
def test_what_is_no_address_is_refused_with_the_name_of_the_setting(written: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        client_target(written, 11434, "OLLAMA_HOST")
    assert "OLLAMA_HOST" in caught.value.message
    assert repr(written) in caught.value.message


@pytest.mark.parametrize(
    ("target", "url"),
    [
        (HERE, "http://127.0.0.1:11434"),
        (Target("https", "::1", 443, "/x"), "https://[::1]:443/x"),
    ],
)
def test_url(target: Target, url: str) -> None:
    assert target.url == url
