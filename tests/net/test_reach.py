from __future__ import annotations

from pathlib import Path

import pytest

from localai.config import Config
from localai.errors import PolicyRefused
from localai.net.reach import reach
from localai.types import Zone
from tests.contract.rows import identity


def config(home: Path, **settings: str) -> Config:
    variables = {f"LOCALAI_{name.upper()}": value for name, value in settings.items()}
    return identity(home, variables)[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_permission(tmp_path: Path, host: str) -> None:
    assert reach("Ollama", host, 11434, config(tmp_path), cloud="ollama").zone is Zone.DEVICE


@pytest.mark.parametrize("host", ["192.168.1.7", "10.0.0.1", "100.64.1.1", "fd00::7", "gpu-box"])
def test_the_local_network_is_refused_with_the_line_that_allows_it(
    tmp_path: Path, host: str
) -> None:
    with pytest.raises(PolicyRefused) as caught:
        reach("Ollama", host, 11434, config(tmp_path), cloud="ollama")
    assert caught.value.command == f"localai config set network.lan {host}"


def test_a_named_host_of_the_local_network_may_be_reached(tmp_path: Path) -> None:
    allowed = config(tmp_path, network_lan="192.168.1.7")
    assert reach("Ollama", "192.168.1.7", 11434, allowed, cloud="ollama").zone is Zone.LAN
    with pytest.raises(PolicyRefused):
        reach("Ollama", "192.168.1.8", 11434, allowed, cloud="ollama")


def test_network_lan_does_not_allow_what_is_outside(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused) as caught:
        reach("Ollama", "8.8.8.8", 443, config(tmp_path, network_lan="8.8.8.8"), cloud="ollama")
    assert caught.value.command == "localai config set cloud.allow ollama"


def test_the_address_decides_and_not_the_name(tmp_path: Path) -> None:
    """A name that the user put among the local network and that means this machine is DEVICE."""
    import socket

    name = socket.gethostname()
    addresses = {answer[4][0] for answer in socket.getaddrinfo(name, 1, type=socket.SOCK_STREAM)}
    if not all(str(address).startswith("127.") or address == "::1" for address in addresses):
        name = "localhost"
    allowed = config(tmp_path, network_lan=name)
    assert reach("Ollama", name, 11434, allowed, cloud="ollama").zone is Zone.DEVICE
