"""Two users on one machine: whoever opens a port first gets what is sent to it, but not from us."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from localai.errors import PolicyRefused
from localai.net.listener import listening_users, user_name
from localai.net.reach import Reach
from localai.paths import locate
from localai.stores.starter import starter_path
from localai.types import Zone
from tests.support.command import RunLocalai
from tests.support.scripted_server import ScriptedServer, json_reply
from tests.support.wires import OllamaWire

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.real_process,
]
needs_two_users = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can start a server as another user"
)

MALLORY = 54321
SECRET = "the prompt that must not be seen"
TOKEN = "the-token-that-must-not-be-seen"
# Everything is imported before the change of user, who may not read this Python's files.
_LISTENER = f"""
import os, socket, sys
os.setgroups([]); os.setgid({MALLORY}); os.setuid({MALLORY})
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.settimeout(2)
    try:
        sys.stdout.write(repr(connection.recv(65536)) + "\\n")
    except OSError as error:
        sys.stdout.write("nothing\\n")
    sys.stdout.flush()
    connection.close()
"""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A server of another user, and what it was sent."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def heard(self) -> str:
        self.process.kill()
        return self.process.communicate()[0]


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    process = subprocess.Popen(
        [sys.executable, "-c", _LISTENER], stdout=subprocess.PIPE, text=True, cwd="/"
    )
    assert process.stdout is not None
    with process:
        yield Stranger(process, int(process.stdout.readline()))
        process.kill()


def test_the_own_user_is_named_on_every_kind_of_address() -> None:
    own = {user_name(os.getuid())}
    for family, bound, reached in (
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
    ):
        with socket.create_server((bound, 0), family=family) as server:
            assert listening_users(reached, server.getsockname()[1]) == own
    with socket.create_server(("127.0.0.2", 0)) as server:
        assert listening_users("127.0.0.1", server.getsockname()[1]) == frozenset()


def test_who_lets_go_of_the_port_once_it_is_connected_to_is_not_trusted() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    with (
        pytest.raises(PolicyRefused, match="run by unknown") as caught,
        Reach("127.0.0.1", port, Zone.DEVICE).grant(),
        socket.create_connection(("127.0.0.1", port)),
    ):
        server.accept()
        server.close()
    assert caught.value.command == "localai config set network.users unknown"


@needs_two_users
@pytest.mark.parametrize("model", ["ollama/scripted", "scripted"])
def test_a_stranger_at_ollamas_port_gets_no_prompt(
    stranger: Stranger, run_localai: RunLocalai, model: str
) -> None:
    result = run_localai("chat", "-m", model, SECRET, env={"OLLAMA_HOST": stranger.address})
    if model.startswith("ollama/"):
        assert result.returncode == 4
        assert f"run by {MALLORY}, another user".encode() in result.stderr
        assert f"localai config set network.users {MALLORY}".encode() in result.stderr
    assert result.returncode != 0
    assert stranger.heard() == ""


@needs_two_users
def test_a_stranger_at_lm_studios_port_gets_no_token(
    stranger: Stranger, run_localai: RunLocalai
) -> None:
    environment = {"LOCALAI_LMSTUDIO_HOST": stranger.address, "LM_API_TOKEN": TOKEN}
    for arguments in (["list"], ["privacy"], ["chat", "-m", "lmstudio/x", SECRET]):
        result = run_localai(*arguments, env=environment)
        assert TOKEN.encode() not in result.stdout + result.stderr
    assert stranger.heard() == ""


@needs_two_users
def test_a_stranger_at_an_endpoint_gets_no_prompt_by_either_protocol(
    stranger: Stranger, run_localai: RunLocalai, localai_home: Path
) -> None:
    text = "".join(
        f'[endpoint.{api}]\nurl = "http://{stranger.address}/v1"\napi = "{api}"\n'
        'key_env = "LM_API_TOKEN"\n'
        for api in ("chat", "responses")
    )
    (localai_home / "config.toml").write_text(text)
    for api in ("chat", "responses"):
        result = run_localai("chat", "-m", f"{api}/x", SECRET, env={"LM_API_TOKEN": TOKEN})
        assert result.returncode == 4, result.stderr
    assert stranger.heard() == ""


@needs_two_users
def test_a_user_whom_the_configuration_names_is_asked(
    stranger: Stranger, run_localai: RunLocalai
) -> None:
    environment = {"OLLAMA_HOST": stranger.address, "LOCALAI_NETWORK_USERS": str(MALLORY)}
    run_localai("chat", "-m", "ollama/scripted", SECRET, env=environment)
    assert "GET /api/" in stranger.heard()


def test_the_evidence_and_the_report_name_the_user(run_localai: RunLocalai) -> None:
    wire = OllamaWire()
    own = user_name(os.getuid())
    with ScriptedServer(wire.routes(wire.stream(wire.answer(["hi"])))) as server:
        environment = {"OLLAMA_HOST": server.address}
        answer = run_localai("chat", "-m", "ollama/scripted", "hi", "--json", env=environment)
        report = run_localai("privacy", "--json", env=environment)
    assert f"run by {own};" in json.loads(answer.stdout)["locality"]["evidence"]
    assert f"run by {own}" in report.stdout.decode()


def test_starter_is_the_engines_whatever_ollama_calls_so(
    run_localai: RunLocalai, localai_home: Path, smollm2_path: Path
) -> None:
    starter = starter_path(locate())
    starter.parent.mkdir(parents=True)
    starter.symlink_to(smollm2_path)
    wire = OllamaWire()
    routes = wire.routes(wire.stream(wire.answer(["mine"])))
    routes["GET /api/tags"] = json_reply({"models": [{"name": "starter:latest", "digest": "d"}]})
    with ScriptedServer(routes) as server:
        environment = {"OLLAMA_HOST": server.address}
        chat = ("chat", "-n", "-m", "starter", "--max-tokens", "3", "--json", "hi")
        result = run_localai(*chat, env=environment)
        # Ollama is there, has a model of that name, and is not asked.
        assert "POST /api/chat" not in server.paths()
        assert "starter:latest" in run_localai("list", env=environment).stdout.decode()
    document = json.loads(result.stdout)
    assert (document["provider"], document["model"]) == ("llamacpp", "starter")
